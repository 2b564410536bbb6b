"""What a futures position does and does not do, in words: templates filled from its row, no free text."""

from collections.abc import Mapping
from typing import Any

from pipelines.hedges.hedge import MARKET, OVERBOUGHT
from pipelines.hedges.market import HedgeMarket
from pipelines.policy import Policy

LARGELY = 0.80
"""From this offset on a hedge may be said to offset a loss largely; below it the share is named."""

_CLOSED = {
    "FUNDING_NORMAL": "funding is normal again",
    "PCTL_NORMAL": "funding is no longer high in its own history",
    "BREADTH_NORMAL": "the whole market is no longer crowded",
    "MAX_DAYS": "it has reached its longest age",
    "FUNDING_NEGATIVE": "the last settlements were negative, so the short pays",
    "NO_EXPOSURE": "the spot that it stood for is no longer held",
    "DUPLICATE_HEDGE": "a liquidity short stands for all the spot that it hedged",
    "MIN_NOTIONAL": "its size would fall below the smallest order",
    "MARGIN": "the futures sleeve has no margin left for it",
    "LIQUIDATED": "the price passed the level at which its margin was used up",
    "LIMIT_PRICE": "the price rose to the limit at which the spot was to be sold",
    "STATE_LEFT": "the state that called for it has ended",
    "STOP": "the close was at or below its stop",
    "SOLD_SHORT": "the same asset is sold short here, and the two would cancel",
    "SWITCHED_OFF": "the policy no longer asks for it",
}
_DONE = {"open": "Opened a {} of", "hold": "Kept a {} of", "resize": "Resized the {} to"}
_PARTS = {
    0.05: "one twentieth", 0.1: "one tenth", 0.2: "one fifth", 0.25: "one quarter", 1 / 3: "one third",
    0.5: "one half", 2 / 3: "two thirds", 0.75: "three quarters",
}  # fmt: skip


def share_in_words(share: float) -> str:
    """How much of a loss an offset is: "largely" only from 80% on, else the fraction or the percentage."""
    if share >= LARGELY:
        return "largely"
    nearest = min(_PARTS, key=lambda part: abs(part - share))
    return f"by about {_PARTS[nearest] if abs(nearest - share) <= 0.05 * nearest else percent(share)}"


def explain(
    row: Mapping[str, Any],
    market: HedgeMarket,
    breadth_frac: float | None,
    is_netted: bool,
    stop_price_usd: float | None,
    policy: Policy,
) -> str:
    """The sentence of one row of `portfolio.hedges`: what it is worth, its liquidation, what called for it.

    Args:
        market: The asset's figures.
        breadth_frac: Share of the market's open interest in crowded sectors, null is unknown.
        is_netted: Spot that a liquidity short stands for is left out of the exposure.
        stop_price_usd: Of a tactical long.
    """
    role, name = row["role"], row["asset"] if row["role"] == "hedge" else f"{row['sector']} in {row['asset']}"
    figures = _figures(row, market, breadth_frac, policy)
    if row["status"] == "close":
        kind = {"hedge": "hedge", "liquidity": "liquidity short", "tactical": "tactical long"}[role]
        spot = {"hedge": " Spot is not sold.", "liquidity": _sale(row["reason"]), "tactical": ""}[role]
        return f"{name}: {kind} closed, {_CLOSED[row['reason']]}.{figures}{spot}"
    done = _DONE[row["status"]].format(row["side"])
    size = f"{row['quantity_base']:.10g} {row['asset']}" if row["quantity_base"] is not None else row["asset"]
    head = f"{name}: {done} {size} on {row['exchange']} at {row['leverage']:.3g}x"
    if row["notional_usd"] is None:
        return f"{head}; it has no price today, so its offset is unknown.{figures}{_TAILS[role]}"
    head += f" (${row['notional_usd']:,.2f})."
    limit = " Its size is limited by the margin of the futures sleeve." if row["reason"] == "MARGIN" else ""
    body = _stop(row, stop_price_usd) if role == "tactical" else _worth(row, is_netted, policy)
    return f"{head}{body}{limit}{_ruin(row)}{figures}{_TAILS[role]}"


_TAILS = {
    "hedge": " Spot is not sold.",
    "liquidity": " It yields no cash, and it locks the price only up to basis, funding and what the coins do not "
    "share with the sector. Spot is sold when it ends.",
    "tactical": " Coin and contract move alike; only the leverage differs.",
}


def _worth(row: Mapping[str, Any], is_netted: bool, policy: Policy) -> str:
    """What a short is worth to the spot that it stands for."""
    if row["offset_frac"] is None:
        return " No share of a loss on spot can be told for it."
    netted = " that no liquidity short stands for (DUPLICATE_HEDGE)" if is_netted else ""
    offset, wanted = row["offset_frac"], policy.scenarios.wanted_offset
    words = share_in_words(offset)
    smaller = "it largely offsets the loss" if words == "largely" else f"the loss gets smaller {words}"
    text = (
        f" It offsets about {percent(offset)} of the loss on ${row['exposure_usd']:,.2f} of spot{netted} if the price "
        f"falls: {smaller}, and so does a gain; "
    )
    ratio = row["ratio_for_80pct_offset_frac"]
    text += (
        f"an offset of {wanted:.0%} needs a ratio of {ratio:.2f}."
        if ratio is not None
        else "its ratio to the spot cannot be told, as the spot does not move with it."
    )
    if row["beta"] is not None:
        fit = "unknown" if row["beta_r2_frac"] is None else f"{row['beta_r2_frac']:.2f}"
        rest = row["residual_risk_annualised"]
        text += (
            f" The spot moves {row['beta']:.2f} times as much as {row['asset']} (R2 {fit}); what is left moves up to "
            f"{'an unknown share' if rest is None else format(rest, '.0%')} a year by itself."
        )
    elif MARKET in row["trigger"] and row["role"] == "hedge":
        text += f" This takes it that the spot moves one for one with {row['asset']}, which is one asset and no index."
    return text


def _stop(row: Mapping[str, Any], stop_price_usd: float | None) -> str:
    stop = (
        "" if stop_price_usd is None else f" Its stop is {stop_price_usd:,.10g}, looked at once a night on the close."
    )
    return f"{stop} It ends by {row['expires_date']}."


def _ruin(row: Mapping[str, Any]) -> str:
    move = row["liquidation_move_frac"]
    if move is None:
        return " No price move uses up its margin by itself."
    return f" Its margin is used up by a {'rise' if row['side'] == 'short' else 'fall'} of {abs(move):.1%}."


def _sale(reason: str) -> str:
    if reason in ("MARGIN", "MIN_NOTIONAL"):
        return " Nothing stands for that part of the reduction any more; its spot is not sold."
    return " Its spot is sold in the same plan."


def _figures(row: Mapping[str, Any], market: HedgeMarket, breadth_frac: float | None, policy: Policy) -> str:
    rule, text = policy.hedge, ""
    if row["role"] != "hedge":
        return text
    if MARKET in row["trigger"]:
        text += f" Crowded sectors hold {_text(breadth_frac, '.0%')} of open interest (limit {rule.breadth:.0%})."
    if OVERBOUGHT in row["trigger"]:
        text += (
            f" Funding {_text(market.funding_3d_bps, '.2f')} bp/8h (limit {rule.f:g}), "
            f"percentile {_text(market.funding_pctl_90d, '.2f')} (limit {rule.pct:g}); open interest z "
            f"{_text(market.open_interest_z_90d, '+.2f')} in coins (limit {rule.oi_z:g}) and "
            f"{_text(market.open_interest_usd_z_90d, '+.2f')} in USD (limit {rule.oi_usd_z:g}; "
            "it contains the price)."
        )
    return text


def explain_sleeve(row: Mapping[str, Any], policy: Policy) -> str:
    """The sentence of one row of `portfolio.futures_sleeve`."""
    gross, budgets = row["gross_notional_nav_frac"], policy.budgets
    share = "unknown" if gross is None else f"{gross:.1%}"
    text = (
        f"The futures sleeve of ${row['collateral_usd']:,.2f} has ${row['used_margin_usd']:,.2f} in use; positions of "
        f"${row['gross_notional_usd']:,.2f} are {share} of the portfolio (limit {float(budgets.gross_nav):.0%}). "
        "Idle collateral yields 0."
    )
    if row["is_concentrated"]:
        text += (
            f" CONCENTRATION: {row['concentration_role']} takes more than {float(budgets.alert_role):.0%} of the used "
            f"margin, and more than {float(budgets.alert_used):.0%} of the sleeve is used."
        )
    moved, low, high = row["proposed_transfer_usd"], *(float(edge) for edge in policy.split.band)
    if row["share_of_nav_frac"] is not None and not low <= row["share_of_nav_frac"] <= high:
        text += f" It is {row['share_of_nav_frac']:.1%} of the portfolio, outside {low:.0%} to {high:.0%}: "
        if moved:
            way = "into it from spot cash" if moved > 0 else "out of it into spot cash"
            text += f"a transfer of ${abs(moved):,.2f} {way} is proposed."
        else:
            text += "no transfer is proposed, as its margin is needed."
    return text


def _text(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)


def percent(share: float) -> str:
    """A share in percent: 9.98% after rounding to lots reads as 10%, half a percent stays visible."""
    return f"{share:.0%}" if share >= 0.05 else f"{share:.1%}"
