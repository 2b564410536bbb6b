"""Whether the night's data can be trusted: what was judged, what was missing, and what was left out."""

from dataclasses import dataclass

from pipelines.report import words
from pipelines.report.data import Night, Row

_FROZEN = ("STALE", "NO_DATA")


@dataclass(frozen=True)
class Trust:
    """What a person must know about the data.

    Attributes:
        is_good: Whether nothing is missing that a decision would need.
        verdict: One sentence on the sectors.
        points: Sentences on checks, exchanges left out and requests that failed.
        unjudged: Sector to what it lacks.
        failed: Loads that failed, alike ones in one row.
        absent: Loads that brought nothing for a known reason, or had nothing new.
    """

    is_good: bool
    verdict: str
    points: tuple[str, ...]
    unjudged: dict[str, str]
    failed: tuple[Row, ...]
    absent: tuple[Row, ...]


def trust_of(night: Night) -> Trust:
    """Put the night's data health into words."""
    frozen = [row for row in night.signals if row["state"] in _FROZEN]
    weak = [row["sector"] for row in night.health if not (row["is_fresh"] and row["is_complete"])]
    judged = len(night.signals) - len(frozen)
    if not night.signals:
        verdict = "No sector was judged tonight."
    elif frozen:
        names = words.names([row["sector"] for row in frozen])
        verdict = f"{judged} of {len(night.signals)} sectors were judged. Too little data, so no trade: {names}."
    else:
        verdict = f"All {judged} sectors were judged."
    weak = [sector for sector in weak if sector not in {row["sector"] for row in frozen}]
    verdict += f" Not all data of {words.names(weak)} is fresh and complete." if weak else ""
    verdict += "" if weak or frozen or not night.health else " All data is fresh and complete."
    failed = tuple(row for row in night.loads if row["status"] == "failed")
    left_out = [
        f"Left out for {row['sector']}: {'; '.join(found)}."
        for row in night.health
        if (found := row.get("exchanges_left_out"))
    ]
    points = [*_checks(night), *left_out]
    if failed:
        points.append(f"{sum(row['loads'] for row in failed)} requests for data failed.")
    return Trust(
        is_good=bool(night.signals) and not (frozen or weak or failed or left_out or night.failed_checks),
        verdict=verdict,
        points=tuple(points),
        unjudged={row["sector"]: _missing(row) for row in frozen},
        failed=failed,
        absent=tuple(row for row in night.loads if row["status"] != "failed"),
    )


def _missing(signal: Row) -> str:
    text = signal.get("explanation") or ""
    return text.removeprefix(f"{signal['sector']}: {signal['state']}. ")


def _checks(night: Night) -> list[str]:
    if night.checks_run is None:
        return ["Of the checks of this night nothing is kept: results are shown for the newest night only."]
    if not night.failed_checks:
        return [f"All {night.checks_run} checks passed."]
    names = words.names([row["check_name"] for row in night.failed_checks])
    return [
        f"{night.checks_run - len(night.failed_checks)} of {night.checks_run} checks passed; a warning, which stops "
        f"nothing, came from {names}."
    ]
