"""One line per measurement: a ratio against a floor measured in the same run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """A measurement over its floor, both taken in the same run on the same machine.

    Attributes:
        name: What over what.
        measured: Ours.
        floor: What it cannot beat, in the same unit.
        goal: The largest ratio that is fine.
        note: Anything worth knowing beside it.
    """

    name: str
    measured: float
    floor: float
    goal: float
    note: str = ""

    @property
    def value(self) -> float:
        return self.measured / self.floor

    def line(self) -> str:
        mark = "ok  " if self.value <= self.goal else "OVER"
        return f"{mark} {self.value:6.2f}  (goal {self.goal:.2f})  {self.name}  {self.note}"
