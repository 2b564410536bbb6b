"""What the exchanges said: which series to ask for, asking, and writing it down with its lineage."""
