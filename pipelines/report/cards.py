"""A card per sector: its state, every condition, what would change it, and how near each sector is to a cut."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from pipelines.policy import Policy
from pipelines.report import words
from pipelines.report.conditions import CUTS, Group, Way, flip_sentence, groups, ways_to_be_cut
from pipelines.report.data import Night, Row
from pipelines.report.moves import last_cut, reason
from pipelines.report.reasons import state_in_short
from pipelines.report.svg import sparkline

SPARK_DAYS = 30


@dataclass(frozen=True)
class Metric:
    """A figure of a sector's card with its last days."""

    label: str
    value: str
    spark: Markup


@dataclass(frozen=True)
class Card:
    """One sector.

    Attributes:
        number: Its place on the page, from 1.
        sector, name: Code and readable name; the name is empty where it says nothing more.
        signal, target: Its rows; the target may be missing.
        in_short, why: Its state in one sentence, and the whole sentence of the release.
        leaders: The coins that its figures are of.
        metrics: Figures with sparklines.
        flips: The smallest changes that would change its state.
        ways: How it would come to be cut, the shortest first; empty when its figures ask for a cut already.
        is_cut_state: Whether its figures ask for a cut tonight.
        last_cut: Day and depth.
        free_from: The first night on which it may be cut again; None where that is not in the future.
        groups: Every condition.
    """

    number: int
    sector: str
    name: str
    signal: Row
    target: Row | None
    in_short: str
    why: str
    leaders: tuple[str, ...]
    metrics: tuple[Metric, ...]
    flips: tuple[str, ...]
    ways: tuple[Way, ...]
    is_cut_state: bool
    last_cut: tuple[date, str] | None
    free_from: date | None
    groups: tuple[Group, ...]

    @property
    def held_usd(self) -> float:
        return (self.target or {}).get("target_usd") or 0.0


def cards_of(night: Night, policy: Policy) -> list[Card]:
    """The night's cards in the order of the page."""
    return [_card(night, number, sector, policy) for number, sector in enumerate(night.sectors, 1)]


def by_distance(cards: Sequence[Card]) -> list[Card]:
    """Cards of sectors that hold something and are not in a cut state, the nearest to a cut first.

    Where the cooldown still protects a sector it comes after all others, whatever its figures say.
    """
    found = [card for card in cards if card.ways and card.held_usd]
    return sorted(found, key=lambda card: (card.free_from is not None, card.ways[0].distance, card.sector))


def _card(night: Night, number: int, sector: str, policy: Policy) -> Card:
    signal = next(row for row in night.signals if row["sector"] == sector)
    trace = json.loads(signal["rule_trace"] or "[]")
    cut = last_cut(night, sector)
    is_cut_state = getattr(policy.actions, signal["latched_state"] or "", None) in CUTS
    return Card(
        number=number,
        sector=sector,
        name=words.readable_name(sector, night.sector_names.get(sector)),
        signal=signal,
        target=next((row for row in night.targets if row["sector"] == sector), None),
        in_short=state_in_short(signal),
        why=reason(signal),
        leaders=tuple(_leaders(night, sector)),
        metrics=tuple(_metrics(night, sector, signal)),
        flips=tuple(flip_sentence(flip) for flip in json.loads(signal["distance_to_flip"] or "[]")),
        ways=() if is_cut_state else tuple(ways_to_be_cut(trace, policy)),
        is_cut_state=is_cut_state,
        last_cut=cut,
        free_from=_free_from(night, cut, policy),
        groups=tuple(groups(trace)),
    )


def _leaders(night: Night, sector: str) -> list[str]:
    """The coins that stand for the sector tonight, the largest first."""
    row = next((r for r in reversed(night.funding) if r["sector"] == sector and r["date"] == night.day), {})
    return row.get("leaders") or []


def _free_from(night: Night, cut: tuple[date, str] | None, policy: Policy) -> date | None:
    """The first night on which the cooldown lets the sector be cut again; None where that is not in the future."""
    found = None if cut is None else cut[0] + timedelta(days=policy.decide.cooldown_days)
    return found if found is not None and found > night.day else None


def _metrics(night: Night, sector: str, signal: Row) -> list[Metric]:
    sources = (
        ("funding_3d_bps", night.funding),
        ("open_interest_change_7d_frac", night.open_interest),
        ("momentum_14d_frac", night.open_interest),
        ("volume_ratio_7d_28d", night.open_interest),
    )
    found = []
    for name, rows in sources:
        history = [row[name] for row in rows if row["sector"] == sector][-SPARK_DAYS:]
        known = [words.metric_value(name, value) for value in history if value is not None]
        label = words.metric_label(name)
        spoken = f"{label}, last {len(history)} days: from {known[0]} to {known[-1]}" if known else label
        found.append(Metric(label, words.metric_value(name, signal[name]), sparkline(history, spoken)))
    return found
