"""From rows to events: which there are, what they are called, and that the same rows give the same ids."""

from datetime import date, timedelta

import pytest

from pipelines.alerts.events import (
    FailedRun,
    decision_events,
    run_event,
    stale_event,
    withdrawn_event,
)
from tests.alerts.conftest import SECOND, THIRD, position, signal, sleeve


def told(release, base: date | None = SECOND):
    return {(event.kind, event.severity, event.title) for event in decision_events(release, base, THIRD)}


def test_a_state_that_changed_is_told_with_its_action_and_its_reason(rows, release):
    before = rows(signals=[signal("DEFI", "NEUTRAL"), signal("L1", "NEUTRAL")])
    now = rows(signals=[signal("DEFI", "OVERLEVERAGED", "REDUCE"), signal("L1", "NEUTRAL")])
    (event,) = decision_events(release(before, now), SECOND, THIRD)
    assert (event.kind, event.severity) == ("state_change", "warning")
    assert event.title == "DEFI: NEUTRAL became OVERLEVERAGED (REDUCE)"
    assert event.text == "DEFI: OVERLEVERAGED. Because."
    assert (event.day, event.release_id, event.source) == ("2026-11-21", "000003-20261121", "live")


def test_a_quiet_state_is_information_and_a_sector_that_comes_or_goes_is_told(rows, release):
    before = rows(signals=[signal("DEFI", "UNSTABLE"), signal("OLD", "NEUTRAL")])
    now = rows(signals=[signal("DEFI", "NEUTRAL"), signal("NEW", "NO_DATA", "FREEZE")])
    assert told(release(before, now)) == {
        ("state_change", "info", "DEFI: UNSTABLE became NEUTRAL (HOLD)"),
        ("state_change", "warning", "NEW is new: NO_DATA (FREEZE)"),
        ("state_change", "warning", "OLD has no signal any more"),
    }


def test_the_first_decided_day_tells_its_positions_and_no_states(rows, release):
    first = rows(signals=[signal("DEFI", "UNSTABLE")], positions=[position("hedge-BTC", "open")])
    assert told(release(first), None) == {
        ("position_opened", "info", "Hedge opened: short of 0.04 BTC ($2,000.00) on binance")
    }


@pytest.mark.parametrize(
    ("role", "side", "title"),
    [
        ("hedge", "short", "Hedge opened: short of 0.04 BTC ($2,000.00) on binance"),
        ("liquidity", "short", "Liquidity short opened: short of 0.04 BTC ($2,000.00) on binance"),
        ("tactical", "long", "Tactical long opened: long of 0.04 BTC ($2,000.00) on binance"),
    ],
)
def test_a_position_of_every_role_is_told_when_it_opens(rows, release, role, side, title):
    opened = rows(positions=[position("p", "open", role=role, side=side)])
    assert told(release(rows(), opened)) == {("position_opened", "info", title)}


def test_a_position_is_told_when_it_closes_and_not_while_it_is_held_or_resized(rows, release):
    held = rows(positions=[position("a"), position("b"), position("c")])
    now = rows(positions=[position("a", "close", reason="MAX_DAYS"), position("b", "resize"), position("c")])
    assert told(release(held, now)) == {("position_closed", "info", "Hedge closed: short of BTC on binance (MAX_DAYS)")}


def test_positions_of_every_day_of_a_range_are_told_also_when_they_were_closed_in_it(rows, release):
    days = [rows(), rows(positions=[position("a", "open")]), rows(positions=[position("a", "close")])]
    events = decision_events(release(*days), date(2026, 11, 19), THIRD)
    assert [(event.kind, event.day) for event in events] == [
        ("position_opened", "2026-11-20"), ("position_closed", "2026-11-21"),
    ]  # fmt: skip


def test_a_position_that_is_there_without_an_order_and_one_that_is_gone_without_one_are_told(rows, release):
    before, now = rows(positions=[position("gone")]), rows(positions=[position("stated", "hold")])
    assert told(release(before, now)) == {
        ("position_opened", "info", "Hedge opened: short of 0.04 BTC ($2,000.00) on binance"),
        ("position_closed", "warning", "Hedge gone: gone is not in the book any more"),
    }


def test_a_liquidation_is_told_once_with_what_was_lost(rows, release):
    held = rows(positions=[position("a")])
    lost = rows(
        positions=[position("a", "close", reason="LIQUIDATED")],
        sleeve=sleeve(notes=["a: liquidated at 99,000.00, its margin is lost."]),
        liquidations=[{"hedge_id": "a", "lost_usd": -2_000.0}],
    )
    (event,) = decision_events(release(held, lost), SECOND, THIRD)
    assert (event.kind, event.severity, event.title) == ("liquidated", "critical", "Liquidated: a")
    assert event.text == "a: liquidated at 99,000.00, its margin is lost. The futures sleeve lost $2,000.00."


def test_a_liquidation_of_a_night_that_was_missed_is_no_position_that_is_gone(rows, release):
    held = rows(positions=[position("a")])
    lost = rows(liquidations=[{"hedge_id": "a", "lost_usd": -2_000.0}])
    assert told(release(held, lost)) == {("liquidated", "critical", "Liquidated: a")}


def test_a_concentration_is_told_when_it_begins_and_when_it_ends_and_not_in_between(rows, release):
    calm, alarm = rows(sleeve=sleeve()), rows(sleeve=sleeve(is_concentrated=True, concentration_role="hedge"))
    begins = ("concentration", "warning", "Concentration alarm: hedge positions take most of the used margin")
    ends = "Concentration alarm over: no kind of position takes most of the used margin"
    assert told(release(calm, alarm)) == {begins}
    assert told(release(alarm, alarm)) == set()
    assert told(release(alarm, calm)) == {("concentration_over", "info", ends)}


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (6_000.0, None),  # exactly the 30% of 20,000 that the policy keeps free
        (5_999.99, ("margin", "warning", "Margin alarm: $5,999.99 of the futures sleeve is free, less than 30% of it")),
        (0.0, ("margin", "critical", "Margin alarm: nothing of the futures sleeve is free ($0.00)")),
        (-50.0, ("margin", "critical", "Margin alarm: nothing of the futures sleeve is free ($-50.00)")),
    ],
)
def test_a_margin_alarm_begins_below_the_policys_reserve(rows, release, free, expected):
    now = rows(sleeve=sleeve(free_margin_usd=free, used_margin_usd=20_000.0 - free))
    assert told(release(rows(sleeve=sleeve()), now)) == ({expected} if expected else set())


def test_a_margin_alarm_that_becomes_worse_is_told_again_and_ends_once(rows, release):
    low, none = (rows(sleeve=sleeve(free_margin_usd=free, used_margin_usd=1.0)) for free in (100.0, 0.0))
    assert [event.severity for event in decision_events(release(low, none), SECOND, THIRD)] == ["critical"]
    over = "Margin alarm over: at least 30% of the futures sleeve is free again"
    assert told(release(none, rows(sleeve=sleeve()))) == {("margin_over", "info", over)}


def test_an_empty_futures_sleeve_without_positions_is_no_margin_alarm(rows, release):
    empty = rows(sleeve=sleeve(collateral_usd=0.0, free_margin_usd=0.0, used_margin_usd=0.0))
    assert told(release(rows(), empty)) == set()


def test_a_position_near_its_liquidation_is_a_margin_alarm_until_it_is_away_or_closed(rows, release):
    def at(move, status="hold"):
        return rows(positions=[position("a", status, side="long", liquidation_move_frac=move)])

    near = {("near_liquidation", "critical", "Margin alarm: a fall of 9.9% liquidates the long of BTC")}
    assert told(release(at(-0.11), at(-0.099))) == near
    assert told(release(at(-0.099), at(-0.05))) == set()
    over = "Margin alarm over: the long of BTC is away from its liquidation"
    assert told(release(at(-0.05), at(-0.2))) == {("near_liquidation_over", "info", over)}
    assert {kind for kind, *_ in told(release(at(-0.05), at(None, "close")))} == {"position_closed"}


def test_a_depeg_is_told_with_its_note_when_it_begins_and_when_it_ends(rows, release):
    note = "the stablecoin trades at 0.9700 USD: cash counts at that price, and no sale may end in it (DEPEG)."
    depegged = rows(sleeve=sleeve(notes=["another note", note]))
    (event,) = decision_events(release(rows(sleeve=sleeve()), depegged), SECOND, THIRD)
    assert (event.kind, event.severity, event.title) == ("depeg", "critical", "The stablecoin is off its dollar")
    assert event.text == "T" + note[1:]
    assert {kind for kind, *_ in told(release(depegged, rows()))} == {"depeg_over"}


def test_a_plan_that_is_halted_is_told(rows, release):
    assert told(release(rows(), rows("halted"))) == {("halt", "warning", "The whole plan is halted")}


def test_the_same_rows_in_another_release_give_the_same_ids_and_other_rows_give_others(rows, release):
    before, now = rows(signals=[signal("DEFI", "NEUTRAL")]), rows(signals=[signal("DEFI", "UNSTABLE", "TRIM")])
    other = rows(signals=[signal("DEFI", "CAPITULATION")])

    def ids(after, release_id):
        made = release(before, after, release_id=release_id)
        return {event.event_id for event in decision_events(made, SECOND, THIRD)}

    assert ids(now, "000003-20261121") == ids(now, "000004-20261121")
    assert ids(now, "000003-20261121").isdisjoint(ids(other, "000003-20261121"))


def test_the_most_severe_comes_first(rows, release):
    now = rows("halted", positions=[position("a", "open", liquidation_move_frac=0.01)])
    severities = [event.severity for event in decision_events(release(rows(), now), SECOND, THIRD)]
    assert severities == ["critical", "warning", "info"]


def test_what_was_told_and_is_not_said_any_more_is_withdrawn_by_name(rows, release, event):
    now = release(rows(), release_id="000004-20261121")
    gone, stays = event(), event(event_id="b", title="L1: NEUTRAL became UNSTABLE (TRIM)")
    withdrawn = withdrawn_event(now, [gone, stays], {"b"})
    assert withdrawn.title == "No longer true: 1 thing told before"
    assert "release 000004-20261121, as of 2026-11-21" in withdrawn.text
    assert "- 2026-11-21: DEFI: NEUTRAL became OVERLEVERAGED (REDUCE)" in withdrawn.text
    assert "L1" not in withdrawn.text
    assert withdrawn_event(now, [stays], {"b"}) is None


def test_a_release_is_stale_after_its_hours_and_not_before(rows, release):
    made = release(rows())
    at = made.published_at + timedelta(hours=26)
    assert stale_event(made, at, 26) is None
    event = stale_event(made, at + timedelta(seconds=1), 26)
    assert (event.kind, event.severity, event.title) == ("stale_release", "critical", "No new release for 26 hours")
    assert event.event_id == stale_event(made, at + timedelta(days=5), 26).event_id
    assert "published 2026-11-22 00:20 UTC" in event.text


@pytest.mark.parametrize(
    ("exit_code", "kind", "severity", "title"),
    [
        (1, "run_failed", "critical", "A run failed (job nightly, 2026-11-21)"),
        (2, "run_failed", "critical", "A run failed (job nightly, 2026-11-21)"),
        (3, "gate_blocked", "warning", "A gate said no: nothing was published (job nightly, 2026-11-21)"),
        (4, "exchanges_unreachable", "warning",
         "The exchanges could not be read: nothing was published (job nightly, 2026-11-21)"),
    ],
)  # fmt: skip
def test_a_failed_run_a_blocked_gate_and_silent_exchanges_are_told_apart(exit_code, kind, severity, title):
    event = run_event(FailedRun("r1", "nightly", exit_code, "because", "live", "2026-11-21"))
    assert (event.kind, event.severity, event.title, event.text) == (kind, severity, title, "because")
    assert (event.event_id, event.run_id) == ("run:r1", "r1")


@pytest.mark.parametrize(
    ("source", "label"), [("simulated", "[SIMULATED] "), ("example", "[SIMULATED] "), ("recorded", "[RECORDED] "),
                          ("live", "")]
)  # fmt: skip
def test_a_market_that_is_not_live_labels_every_title(event, source, label):
    assert event(source=source, title="x").labelled_title == f"{label}x"
