"""What a waiting person sees of a run."""

from rich.console import Console

from pipelines.cli.console import STAGES, RunDisplay
from pipelines.progress import Progress, listening, report_waiting
from warehouse.lock import LockHolder


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def picture(display: RunDisplay) -> list[str]:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(display.render())
    return captured.get().splitlines()


def line_of(display: RunDisplay, stage: str) -> str:
    return next(line for line in picture(display) if stage in line.split()).strip()


def test_stages_stand_in_the_order_of_the_work_before_they_have_begun():
    names = [line.split()[0] for line in picture(RunDisplay(None, Clock()))]
    assert names[: len(STAGES)] == list(STAGES)


def test_a_stage_is_done_when_the_next_one_reports_and_keeps_its_seconds():
    clock = Clock()
    display = RunDisplay(None, clock)
    display(Progress("exchanges", "binance", 3, 40))
    clock.now = 2.5
    assert line_of(display, "exchanges").endswith("2.5 s  binance 3 of 40")
    display(Progress("checks"))
    clock.now = 4.0
    assert line_of(display, "exchanges").startswith("+  exchanges")
    assert "2.5 s" in line_of(display, "exchanges")
    assert "1.5 s" in line_of(display, "checks")
    assert "4.0 s" in line_of(display, "total")


def test_the_stage_a_run_stopped_in_is_not_marked_done():
    lines: list[str] = []
    display = RunDisplay(lines.append, Clock())
    display(Progress("marts"))
    display.finish(is_done=False)
    assert not line_of(display, "marts").startswith("+")
    assert lines[-1].endswith("run stopped after 0.0 s in marts")


def test_plain_lines_come_at_once_for_a_new_stage_and_every_ten_seconds_within_one():
    clock, lines = Clock(), []
    display = RunDisplay(lines.append, clock)
    for second in range(1, 26):
        clock.now = float(second)
        display(Progress("exchanges", "binance", second, 100))
    display(Progress("checks"))
    display.finish(is_done=True)
    assert [line.split("] ")[1] for line in lines] == [
        "starting",
        "exchanges: binance 1 of 100",
        "exchanges: binance 11 of 100",
        "exchanges: binance 21 of 100",
        "exchanges: done in 24.0 s",
        "checks: started",
        "checks: done in 0.0 s",
        "run finished in 25.0 s",
    ]


def test_a_stage_nobody_foresaw_is_shown_too():
    display = RunDisplay(None, Clock())
    display(Progress("report", "writing"))
    assert "writing" in line_of(display, "report")


def test_a_run_that_waits_for_its_turn_shows_for_whom_before_all_stages():
    lines: list[str] = []
    display = RunDisplay(lines.append, Clock())
    assert all("turn" not in line.split() for line in picture(display))
    with listening(display):
        report_waiting(LockHolder(7, "host", "2026-11-21T00:15:00+00:00", "nightly of 2026-11-20"), 0.5)
    assert "turn" in picture(display)[0] and "waiting for process 7" in picture(display)[0]
    assert "turn: waiting for process 7 on host, which has been writing since 2026-11-21T00:15:00" in lines[-1]
    assert "(nightly of 2026-11-20)" in lines[-1]
