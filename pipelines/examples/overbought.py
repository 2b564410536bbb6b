"""The market of the second worked example: everything calm but bitcoin, whose leverage gets crowded and dear."""

from datetime import date

from pipelines.examples.example import Example
from pipelines.examples.figures import Figure, Found, Row, label_figures
from pipelines.examples.script import Coin, CoinSeries, Line, Sector, write_script

LAST_DAY = date(2025, 6, 29)
DAY_COUNT = 180

# OVERBOUGHT: funding of 3 days at 3 bp or more and above 95% of its 90 days, open interest one standard deviation or
# more above its mean of 90 days. Funding crosses 3 bp on the last day only: the hedge opens at once, while the state
# OVERLEVERAGED needs a second day, so that no spot is sold yet.
_STORE_OF_VALUE = Sector(
    log_price=Line(path=((-30, 0.0), (0, 0.10)), swing=((-30, 0.010), (-15, 0.006))),
    funding_8h_bps=Line(path=((-12, 0.9), (-4, 1.8), (-2, 2.6), (-1, 3.4), (0, 4.6)), swing=((0, 0.12),)),
    log_open_interest=Line(path=((-24, 0.0), (0, 0.10)), swing=((0, 0.006),)),
    volume=Line(path=((-24, 1.0), (0, 1.1)), swing=((0, 0.03),)),
    phase=0.4,
)
# Calm: NEUTRAL, because the price sags a little and volume stays as it is.
_L1 = Sector(
    log_price=Line(path=((-40, 0.06), (0, 0.0)), swing=((0, 0.010),)),
    funding_8h_bps=Line(path=((0, 0.9),), swing=((0, 0.15),)),
    log_open_interest=Line(path=((0, 0.0),), swing=((0, 0.006),)),
    volume=Line(path=((0, 1.0),), swing=((0, 0.03),)),
    phase=1.9,
)
_DEFI = Sector(
    log_price=Line(path=((-40, 0.08), (0, 0.0)), swing=((0, 0.010),)),
    funding_8h_bps=Line(path=((0, 0.7),), swing=((0, 0.15),)),
    log_open_interest=Line(path=((0, 0.0),), swing=((0, 0.006),)),
    volume=Line(path=((0, 1.0),), swing=((0, 0.03),)),
    phase=2.6,
)


def market() -> list[CoinSeries]:
    """Every coin's series from 2025-01-01 to `LAST_DAY`."""
    return [
        *write_script(_STORE_OF_VALUE, [Coin("BTC", 50_000.0, 5e9)], DAY_COUNT),
        *write_script(_L1, [Coin("ETH", 2_000.0, 5e9), Coin("SOL", 160.0, 1.8e9), Coin("AVAX", 20.0, 3e8)], DAY_COUNT),
        *write_script(_DEFI, [Coin("UNI", 8.0, 1.8e8), Coin("AAVE", 160.0, 1.7e8), Coin("CRV", 0.5, 9e7)], DAY_COUNT),
    ]


HOLDING_USD = 20_000.0
SHORT_BASE = 0.04
SHORT_USD = 2_000.0
OFFSET_FRAC = 0.1
SHOCK_FRAC = -0.1

_PORTFOLIO = """\
# Example: a made-up portfolio of $100,000, 80% spot and 20% futures, at prices of a made-up market.
as_of: 2025-06-29
preset: conservative
holdings:
  - {exchange: binance, asset: BTC, quantity: 0.4}  # at 50,000: 20,000
  - {exchange: binance, asset: ETH, quantity: 10}  # at 2,000: 20,000
  - {exchange: binance, asset: SOL, quantity: 75}  # at 160: 12,000
  - {exchange: binance, asset: AVAX, quantity: 400}  # at 20: 8,000
  - {exchange: binance, asset: UNI, quantity: 1250}  # at 8: 10,000
  - {exchange: binance, asset: AAVE, quantity: 40}  # at 160: 6,400
  - {exchange: binance, asset: CRV, quantity: 7200}  # at 0.5: 3,600
futures:
  collateral_usd: 20000
strategic_weights: {STORE_OF_VALUE: 1/4, L1: 1/2, DEFI: 1/4}
"""
_POLICY = """\
# Example: the default policy.
version: 1
"""


def _figures(found: Found) -> list[Figure]:
    signal, target = found.signal("STORE_OF_VALUE"), found.target("STORE_OF_VALUE")
    hedge = found.hedges[0] if found.hedges else {}
    fall = next((row for row in found.scenarios if is_the_fall(row, hedge)), {})
    pairs = (
        ("portfolio USD", 100_000.0, (found.decision or {}).get("portfolio_value_usd")),
        ("STORE_OF_VALUE data coverage", 1.0, signal.get("coverage_frac")),
        ("BTC held, USD", HOLDING_USD, target.get("current_usd")),
        ("BTC target, USD", HOLDING_USD, target.get("target_usd")),
        ("spot orders in BTC", 0, sum(row["asset"] == "BTC" for row in found.trades)),
        ("spot orders at all", 0, len(found.trades)),
        ("hedges", 1, len(found.hedges)),
        ("hedge trigger", "OVERBOUGHT", hedge.get("trigger")),
        ("hedge position", "short BTC/USDT:USDT", f"{hedge.get('side')} {hedge.get('symbol')}"),
        ("hedge status", "open", hedge.get("status")),
        ("hedge mark, USD", 50_000.0, hedge.get("mark_price_usd")),
        ("hedge quantity, BTC", SHORT_BASE, hedge.get("quantity_base")),
        ("hedge notional, USD", SHORT_USD, hedge.get("notional_usd")),
        ("hedge margin, USD", SHORT_USD, hedge.get("margin_usd")),
        ("hedge leverage", 1.0, hedge.get("leverage")),
        ("BTC hedged, USD", HOLDING_USD, hedge.get("exposure_usd")),
        ("share of a loss that it offsets", OFFSET_FRAC, hedge.get("offset_frac")),
        ("ratio needed to offset 80%", 0.8, hedge.get("ratio_for_80pct_offset_frac")),
        ("spot after a fall of 10%, USD", -2_000.0, fall.get("spot_pnl_usd")),
        ("hedge after a fall of 10%, price only, USD", 200.0, fall.get("hedge_price_pnl_usd")),
        ("offset after a fall of 10%, price only", OFFSET_FRAC, fall.get("offset_price_only_frac")),
    )
    return [*label_figures(found), *(Figure(*pair) for pair in pairs)]


def is_the_fall(scenario: Row, hedge: Row) -> bool:
    """Whether a scenario is the example's: 10% down within 7 days while funding stays as it is."""
    at = (scenario["hedge_id"], scenario["shock_frac"], scenario["horizon_days"], scenario["funding_path"])
    return at == (hedge.get("hedge_id"), SHOCK_FRAC, 7, "persist")


OVERBOUGHT = Example(
    name="overbought",
    title="Overbought bitcoin: keep the coins, short a tenth",
    last_day=LAST_DAY,
    market=market,
    portfolio=_PORTFOLIO,
    policy=_POLICY,
    figures=_figures,
    notes=(
        "A short of a tenth offsets a tenth: it reduces a loss by 10.00%, and a gain as well. To offset 80% the short "
        "must be 80% of the holding.",
        "No coin is sold because the sector is seen as OVERLEVERAGED on this day for the first time; seen so on a "
        "second day, it is reduced by the rotation.",
    ),
)
