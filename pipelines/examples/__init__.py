"""Worked examples: made-up markets that go through the real pipeline, and the figures that must come out."""
