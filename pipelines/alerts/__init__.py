"""What a person is told without asking: which events there are, how they are worded, where they go, what was told."""
