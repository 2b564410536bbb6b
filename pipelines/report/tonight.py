"""The decision in one screen: what to sell, buy and hedge, what was wanted and not done, and what is new."""

from dataclasses import dataclass

from pipelines.report import words
from pipelines.report.data import Night, Row
from pipelines.report.hedging import HedgeLine, Outlook, hedge_lines, horizon, outlooks, title
from pipelines.report.moves import Move, Moves, moves_of

_NO_TRADE = {"no_trade": "No trade tonight", "halted": "The whole plan is halted"}
_NAMED = 3


@dataclass(frozen=True)
class Tonight:
    """What a person must know in the morning.

    Attributes:
        headline: The whole decision in one or two sentences.
        sells, buys: Moves by sector, the largest first.
        hedges: Hedges that are live or close tonight.
        outlooks: The whole portfolio in a fall and in a rise.
        horizon_days: Within how many days these happen; None without them.
        wishes: Sectors whose rules ask for something that was not done.
        dropped: Amounts that became no order.
        cash: What happens to the cash, in a sentence; None where the night has no such row.
        changes: What is new since the decided day before.
        pending: States seen tonight that count only after another day.
    """

    headline: str
    sells: tuple[Move, ...]
    buys: tuple[Move, ...]
    hedges: tuple[HedgeLine, ...]
    outlooks: tuple[Outlook, ...]
    horizon_days: int | None
    wishes: tuple[Move, ...]
    dropped: tuple[str, ...]
    cash: str | None
    changes: tuple[str, ...]
    pending: tuple[str, ...]


def tonight(night: Night) -> Tonight:
    """Put a night's rows into words."""
    moves = moves_of(night)
    return Tonight(
        headline=_headline(night, moves),
        sells=moves.sells,
        buys=moves.buys,
        hedges=hedge_lines(night),
        outlooks=outlooks(night),
        horizon_days=horizon(night.scenarios),
        wishes=moves.wishes,
        dropped=moves.dropped,
        cash=_cash(night),
        changes=tuple(_changes(night)),
        pending=tuple(_pending(night)),
    )


def _headline(night: Night, moves: Moves) -> str:
    status = night.decision["status"]
    if status in _NO_TRADE:
        return f"{_NO_TRADE[status]}: {_in_words(night.decision['reason'])}."
    parts = [_traded("Sell", moves.sells), _traded("Buy", moves.buys)]
    if not any(parts):
        parts = ["Sell nothing and buy nothing tonight."]
    elif moves.cost_usd is not None:
        parts.append(f"That costs about {words.usd(moves.cost_usd)}.")
    parts += [f"{title(row, night.previous_hedges)}." for row in night.hedges]
    if not night.hedges:
        parts.append("No hedge is open and none is proposed.")
    return " ".join(filter(None, parts))


def _traded(verb: str, moves: tuple[Move, ...]) -> str:
    if not moves:
        return ""
    if len(moves) > _NAMED:
        return f"{verb} {words.usd(sum(move.usd for move in moves))} of {len(moves)} sectors."
    return f"{verb} {words.names([f'{_what(move)} for {words.usd(move.usd)}' for move in moves])}."


def _what(move: Move) -> str:
    """The sector, or the coin where only that one is meant."""
    return move.coins if move.before_frac is None and move.coins else move.sector


def _in_words(reason: str | None) -> str:
    return words.codes([reason]) if reason else "no reason given"


def _cash(night: Night) -> str | None:
    row = next((row for row in night.targets if row["sector"] == "CASH"), None)
    if row is None:
        return None
    now, then = words.usd(row["current_usd"]), words.usd(row["target_usd"])
    share = f"{words.percent(row['target_weight_frac'])} of the spot sleeve"
    told = f"Cash stays at {now} ({share})." if now == then else f"Cash goes from {now} to {then} ({share})."
    apart = night.nav[-1].get("tilt_cash_usd") if night.nav and night.nav[-1]["as_of_date"] == night.day else None
    return f"{told} {words.usd(apart)} more is set apart for buying back what was sold for a while." if apart else told


def _changes(night: Night) -> list[str]:
    if night.previous_day is None:
        return ["This is the first night."]
    changes = []
    before = {row["sector"]: row for row in night.previous_signals}
    for row in night.signals:
        old = before.get(row["sector"])
        if old is None:
            changes.append(f"{row['sector']} is new: {row['state']}.")
        elif old["state"] != row["state"]:
            changes.append(f"{row['sector']}: {old['state']} became {row['state']} ({_action(row)}).")
        elif old["action"] != row["action"]:
            changes.append(f"{row['sector']}: still {row['state']}, but {old['action']} became {_action(row)}.")
    changes += [
        f"{sector} has no signal any more." for sector in sorted(before.keys() - {r["sector"] for r in night.signals})
    ]
    for row in night.hedges:
        if row["status"] != "hold":
            done = {"open": "opened", "close": "closed", "resize": "resized"}.get(row["status"], row["status"])
            changes.append(f"Hedge of {row['asset']}: {done} ({_why(row)}).")
    gone = {r["hedge_id"] for r in night.previous_hedges if r["status"] != "close"} - {
        r["hedge_id"] for r in night.hedges
    }
    changes += [f"Hedge {name} is not in the book any more." for name in sorted(gone)]
    return [*_value_change(night), *(changes or ["No state and no hedge changed."])]


def _value_change(night: Night) -> list[str]:
    now, then = night.decision["portfolio_value_usd"], night.previous_value_usd
    if now is None or not then:
        return []
    change = words.percent(now / then - 1, sign=True, decimals=2)
    return [f"Everything together is worth {words.usd(now)}, {words.usd(now - then, sign=True)} ({change}) since."]


def _why(hedge: Row) -> str:
    code = hedge["reason"] or hedge["trigger"]
    return f"{words.HEDGE_REASONS[code]}, {code}" if code in words.HEDGE_REASONS else str(code)


def _action(row: Row) -> str:
    return f"{row['action']}: {words.ACTIONS.get(row['action'], '')}".rstrip(": ")


def _pending(night: Night) -> list[str]:
    """What the rules see tonight and the decision does not use yet."""
    return [
        f"{row['sector']} counts as {row['state']}, but its figures say {row['latched_state']}: that counts once it "
        "has been seen on enough days in a row."
        for row in night.signals
        if row["latched_state"] and row["latched_state"] != row["state"]
    ]
