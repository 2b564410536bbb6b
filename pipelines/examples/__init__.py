"""Worked examples: made-up markets that go through the real pipeline, and the figures that must come out."""

from pipelines.examples.example import MADE_UP, Example, Files, write_files
from pipelines.examples.overbought import OVERBOUGHT
from pipelines.examples.rotation import ROTATION

EXAMPLES = {example.name: example for example in (ROTATION, OVERBOUGHT)}

__all__ = ["EXAMPLES", "MADE_UP", "Example", "Files", "write_files"]
