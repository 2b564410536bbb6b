"""What the hedges honestly do: what they give back, what they cost, and what becomes of all the money."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report import words
from pipelines.report.data import Night, Row

PLAN = "PLAN"
_SHOCK = 0.2


@dataclass(frozen=True)
class HedgeLine:
    """A hedge with what it honestly does.

    Attributes:
        row: The row of `portfolio.hedges`.
        title: What to do with it.
        figures: Sentences: what it gives back, what it costs, when its margin is used up.
    """

    row: Row
    title: str
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Outlook:
    """What becomes of the money when every coin moves alike.

    Attributes:
        move: The move in words.
        spot_usd, hedge_usd, net_usd: Change of the holdings, of the futures with funding and costs, and of both.
        net_frac: The last as a share of the portfolio.
        offset_frac: The share of the holdings' change that the futures take away.
    """

    move: str
    spot_usd: float
    hedge_usd: float | None
    net_usd: float | None
    net_frac: float | None
    offset_frac: float | None


def hedge_lines(night: Night) -> tuple[HedgeLine, ...]:
    """Tonight's hedges in words."""
    return tuple(_hedge(row, night) for row in night.hedges)


def outlooks(night: Night) -> tuple[Outlook, ...]:
    """The whole portfolio in a large fall and a large rise; empty where the release has no scenarios of it."""
    found = []
    for sign, verb in ((-1, "falls"), (1, "rises")):
        row = _scenario(night.scenarios, PLAN, sign * _SHOCK)
        if row is None:
            continue
        net, value = row["net_pnl_usd"], night.decision["portfolio_value_usd"]
        found.append(
            Outlook(
                move=f"{verb} {words.percent(abs(row['shock_frac']), decimals=0)}",
                spot_usd=row["spot_pnl_usd"],
                hedge_usd=None if net is None else net - row["spot_pnl_usd"],
                net_usd=net,
                net_frac=None if net is None or not value else net / value,
                offset_frac=row["offset_frac"],
            )
        )
    return tuple(found)


def horizon(rows: Sequence[Row]) -> int | None:
    """The horizon that a page speaks of: 7 days, or the middle one where the policy has no 7."""
    days = sorted({row["horizon_days"] for row in rows})
    return None if not days else 7 if 7 in days else days[len(days) // 2]


def position(row: Row) -> str:
    return f"{row['side']} of {words.quantity(row['quantity_base'])} {row['asset']} on {row['exchange']}"


def title(row: Row, before: Sequence[Row]) -> str:
    """What to do with a hedge; a changed one says from where and by how much."""
    status = words.HEDGE_STATUS.get(row["status"], row["status"]).capitalize()
    if row["status"] == "close":
        return f"{status} {row['side']} of {row['asset']}"
    old = next((other["quantity_base"] for other in before if other["hedge_id"] == row["hedge_id"]), None)
    if row["status"] != "resize" or old is None or row["quantity_base"] is None:
        return f"{status} {position(row)}"
    by = row["quantity_base"] - old
    verb = "sell" if (by > 0) == (row["side"] == "short") else "buy"
    return (
        f"{status} {row['side']} of {row['asset']} on {row['exchange']} from {words.quantity(old)} to "
        f"{words.quantity(row['quantity_base'])} {row['asset']}: {verb} {words.quantity(abs(by))}"
    )


def _hedge(row: Row, night: Night) -> HedgeLine:
    heading = title(row, night.previous_hedges)
    if row["status"] == "close":
        return HedgeLine(row, heading, ())
    figures = []
    offset, wanted_ratio, rise = (
        row[n] for n in ("offset_frac", "ratio_for_80pct_offset_frac", "liquidation_move_frac")
    )
    if row["notional_usd"] is None:
        figures.append("What it gives back is unknown: it has no price tonight.")
    elif row["side"] == "long":
        figures.append("It is no hedge: it gains when the price rises, and loses with the spot when it falls.")
    elif offset is not None:
        sleeve, share = night.decision["spot_sleeve_usd"], ""
        if sleeve and row["exposure_usd"] is not None:
            share = f", which is {words.percent(row['exposure_usd'] / sleeve)} of the spot sleeve"
        figures.append(
            f"It gives back {words.percent(offset)} of a loss on {words.usd(row['exposure_usd'])} of {row['asset']}"
            f"{share}. The other {words.percent(1 - offset)} stays a loss, and so does all that other coins lose."
        )
    figures += _cost(row, night.scenarios)
    figures += [text for shock in (-_SHOCK, _SHOCK) if (text := _shock(row, night.scenarios, shock))]
    if wanted_ratio is not None:
        figures.append(
            f"To give back 80% the short would have to be {words.percent(wanted_ratio, decimals=0)} of the spot value; "
            f"it is {words.percent(row['hedge_ratio_frac'])}."
        )
    if rise is not None:
        figures.append(f"Its margin is used up by a rise of {words.percent(rise)}.")
    return HedgeLine(row, heading, tuple(figures))


def _scenario(scenarios: Sequence[Row], hedge_id: str, shock: float) -> Row | None:
    """The row at the shown horizon, funding as today, whose move is nearest to `shock` and has its sign."""
    rows = [row for row in scenarios if row["hedge_id"] == hedge_id]
    days = horizon(rows)
    fitting = [
        row
        for row in rows
        if (row["horizon_days"], row["funding_path"]) == (days, "persist")
        and row["shock_frac"] * shock >= 0
        and (row["shock_frac"] == 0) == (shock == 0)
    ]
    return min(fitting, key=lambda row: abs(row["shock_frac"] - shock), default=None)


def _shock(hedge: Row, scenarios: Sequence[Row], shock: float) -> str | None:
    row = _scenario(scenarios, hedge["hedge_id"], shock)
    if row is None or row["net_pnl_usd"] is None:
        return None
    own = row["net_pnl_usd"] - row["spot_pnl_usd"]
    direction, gained, verb = ("fall", "loses", "gives back") if shock < 0 else ("rise", "gains", "costs")
    if (own < 0) != (shock > 0):  # funding or costs outweigh the price
        verb = "gains" if own > 0 else "costs"
    return (
        f"In a {direction} of {words.percent(abs(row['shock_frac']), decimals=0)} over {row['horizon_days']} days the "
        f"{hedge['asset']} {gained} {words.usd(abs(row['spot_pnl_usd']))} and the hedge {verb} {words.usd(abs(own))}, "
        "funding as today and costs included."
    )


def _cost(hedge: Row, scenarios: Sequence[Row]) -> list[str]:
    row = _scenario(scenarios, hedge["hedge_id"], 0.0)
    if row is None or row["funding_pnl_usd"] is None or row["cost_usd"] is None:
        return []
    funding = row["funding_pnl_usd"]
    flow = "brings" if funding >= 0 else "costs"
    return [
        f"If the price does not move it {flow} {words.usd(abs(funding))} of funding in {row['horizon_days']} days; "
        f"opening and closing costs {words.usd(row['cost_usd'])}."
    ]
