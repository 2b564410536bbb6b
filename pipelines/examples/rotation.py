"""The market of the first worked example: three sectors, one crowded rally that cools, one quiet, one swinging."""

from dataclasses import dataclass
from datetime import date

from pipelines.examples.example import Example
from pipelines.examples.figures import Figure, Found, Row, label_figures, to_cents
from pipelines.examples.script import Coin, CoinSeries, Line, Sector, write_script

LAST_DAY = date(2025, 6, 29)
DAY_COUNT = 180

# LOSING_MOMENTUM: open interest fell by 5% or more in 7 days, after funding had peaked at 2.5 bp or more within 28
# days, and funding is down to 60% of that peak or less. A rally of 27% on ever dearer leverage from day -38 to -15;
# from then on positions are closed, by 1.4% a day, while the price only sags.
_L1 = Sector(
    log_price=Line(path=((-38, 0.0), (-15, 0.24), (0, 0.20)), swing=((0, 0.012),)),
    funding_8h_bps=Line(path=((-38, 1.0), (-16, 4.8), (-14, 4.8), (-5, 1.6), (0, 1.4)), swing=((0, 0.12),)),
    log_open_interest=Line(path=((-38, 0.0), (-15, 0.32), (0, 0.11)), swing=((0, 0.004),)),
    volume=Line(path=((-38, 1.0), (-15, 1.3), (0, 1.1)), swing=((0, 0.03),)),
    phase=0.4,
)
# ACCUMULATION: low and steady funding (-1 to 1.5 bp, standard deviation of 14 days at most 1 bp), a price above that
# of 14 days ago, and 25% more volume in the last 7 days than in the 28 before. Rises by 8% from day -16 on; half as
# much volume again from day -6 on.
_DEFI = Sector(
    log_price=Line(path=((-16, 0.0), (0, 0.085)), swing=((0, 0.008),)),
    funding_8h_bps=Line(path=((0, 0.63),), swing=((0, 0.10),)),
    log_open_interest=Line(path=((-20, 0.0), (0, 0.04)), swing=((0, 0.004),)),
    volume=Line(path=((-7, 1.0), (-6, 1.5)), swing=((0, 0.02),)),
    phase=1.9,
)
# UNSTABLE: volatility in the upper fifth of its 90 days, and funding whose standard deviation is both above 1 bp and
# twice its median, or that changes its sign four times in 14 days. From day -16 on both swing five to fifteen times
# as far as before; open interest stays, and the swings cancel within three days, so that no other state is met.
_HIGH_BETA = Sector(
    log_price=Line(path=((0, 0.0),), swing=((-17, 0.02), (-14, 0.10))),
    funding_8h_bps=Line(path=((0, 0.5),), swing=((-17, 0.3), (-14, 4.5))),
    log_open_interest=Line(path=((0, 0.0),), swing=((0, 0.006),)),
    volume=Line(path=((0, 1.0),), swing=((0, 0.03),)),
    phase=2.6,
)
# Calm: the reference against which no sector may run away (the spread veto), without a weight of its own.
_STORE_OF_VALUE = Sector(
    log_price=Line(path=((0, 0.0),), swing=((0, 0.010),)),
    funding_8h_bps=Line(path=((0, 0.9),), swing=((0, 0.15),)),
    log_open_interest=Line(path=((0, 0.0),), swing=((0, 0.010),)),
    volume=Line(path=((0, 1.0),), swing=((0, 0.03),)),
    phase=3.3,
)


def market() -> list[CoinSeries]:
    """Every coin's series from 2025-01-01 to `LAST_DAY`."""
    return [
        *write_script(_STORE_OF_VALUE, [Coin("BTC", 60_000.0, 9e9)], DAY_COUNT),
        *write_script(_L1, [Coin("ETH", 2_000.0, 5e9), Coin("SOL", 160.0, 1.8e9), Coin("AVAX", 20.0, 3e8)], DAY_COUNT),
        *write_script(_DEFI, [Coin("UNI", 8.0, 1.8e8), Coin("AAVE", 160.0, 1.7e8), Coin("CRV", 0.5, 9e7)], DAY_COUNT),
        *write_script(
            _HIGH_BETA, [Coin("FET", 0.8, 1.5e8), Coin("WLD", 1.0, 1.7e8), Coin("GALA", 0.02, 7e7)], DAY_COUNT
        ),
    ]


@dataclass(frozen=True)
class Told:
    """One row of the table that the example is about, and the state and action that stand for its words.

    Attributes:
        sector: Our name; `told_sector` is the table's.
        weight_before, weight_after: Exact fractions of the spot sleeve.
        usd_before, usd_after: Of $80,000.
        signal, told_action: The table's own words.
    """

    sector: str
    told_sector: str
    weight_before: str
    usd_before: float
    signal: str
    told_action: str
    weight_after: str
    usd_after: float
    state: str
    action: str


TABLE = (
    Told(
        "L1", "Layer 1", "2/5", 32_000.0, "open interest declining; funding normalising after a pump", "reduce",
        "3/10", 24_000.0, "LOSING_MOMENTUM", "REDUCE",
    ),
    Told(
        "DEFI", "DeFi", "3/10", 24_000.0, "perpetual volume rising; funding low and stable", "increase",
        "9/20", 36_000.0, "ACCUMULATION", "INCREASE",
    ),
    Told(
        "HIGH_BETA", "Emerging Narratives", "3/10", 24_000.0, "futures volatility high; funding swinging wildly",
        "maintain or slightly reduce", "1/4", 20_000.0, "UNSTABLE", "TRIM",
    ),
)  # fmt: skip

SOLD_USD = 12_000.0
# 12,000 * (1 - fee)(1 - slippage) / ((1 + fee)(1 + slippage)), fee 10 bp, slippage 5 bp: the sales pay for all costs.
BOUGHT_USD = 11_964.05
COST_USD = 35.95

_PORTFOLIO = """\
# Example: a made-up portfolio of $100,000, 80% spot and 20% futures, at prices of a made-up market.
as_of: 2025-06-29
preset: conservative
holdings:
  - {exchange: binance, asset: ETH, quantity: 8}  # at 2,000: 16,000
  - {exchange: binance, asset: SOL, quantity: 60}  # at 160: 9,600
  - {exchange: binance, asset: AVAX, quantity: 320}  # at 20: 6,400
  - {exchange: binance, asset: UNI, quantity: 1500}  # at 8: 12,000
  - {exchange: binance, asset: AAVE, quantity: 50}  # at 160: 8,000
  - {exchange: binance, asset: CRV, quantity: 8000}  # at 0.5: 4,000
  - {exchange: binance, asset: FET, quantity: 15000}  # at 0.8: 12,000
  - {exchange: binance, asset: WLD, quantity: 7200}  # at 1: 7,200
  - {exchange: binance, asset: GALA, quantity: 240000}  # at 0.02: 4,800
futures:
  collateral_usd: 20000
strategic_weights: {L1: 2/5, DEFI: 3/10, HIGH_BETA: 3/10}
"""
_POLICY = """\
# Example: the default policy, but one slippage for every coin, so that the costs can be followed by hand.
version: 1
costs: {slip_major: 0.0005, slip_alt: 0.0005}
"""


def _figures(found: Found) -> list[Figure]:
    figures = label_figures(found)
    for told in TABLE:
        signal, target = found.signal(told.sector), found.target(told.sector)
        pairs = (
            ("state", told.state, signal.get("state")),
            ("action", told.action, signal.get("action")),
            ("weight now", told.weight_before, target.get("current_weight_exact")),
            ("USD now", told.usd_before, target.get("current_usd")),
            ("new weight", told.weight_after, target.get("target_weight_exact")),
            ("new USD", told.usd_after, target.get("target_usd")),
            ("data coverage", 1.0, signal.get("coverage_frac")),
        )
        figures += [Figure(f"{told.sector} {name}", expected, value) for name, expected, value in pairs]
    elsewhere = sum(row["target_usd"] for row in found.targets if row["sector"] not in {t.sector for t in TABLE})
    decision = found.decision or {}
    return [
        *figures,
        Figure("DEFI codes (its gain ends exactly at its cap)", ["TILT_CAP"], _list(found.target("DEFI"))),
        Figure("USD in other sectors and cash", 0.0, elsewhere + 0.0),
        Figure("portfolio USD", 100_000.0, decision.get("portfolio_value_usd")),
        Figure("spot sleeve USD", 80_000.0, decision.get("spot_sleeve_usd")),
        Figure("sold USD, before costs", SOLD_USD, found.traded_usd("sell")),
        Figure("bought USD, after costs", BOUGHT_USD, found.traded_usd("buy")),
        Figure("costs in USD", COST_USD, to_cents(found.traded_usd("sell") - found.traded_usd("buy"))),
        Figure("hedges", [], [row["hedge_id"] for row in found.hedges]),
    ]


def _list(target: Row) -> list[str] | None:
    codes = target.get("reason_codes")
    return None if codes is None else list(codes)


ROTATION = Example(
    name="rotation",
    title="Sector rotation: 40/30/30 becomes 30/45/25",
    last_day=LAST_DAY,
    market=market,
    portfolio=_PORTFOLIO,
    policy=_POLICY,
    figures=_figures,
    notes=(
        "The table tells weights before costs. The orders pay 10 bp of fee and 5 bp of slippage on both sides.",
        "Emerging Narratives is the sector HIGH_BETA here. Open interest has no direction: it tells of leverage, "
        "not of money flowing in or out.",
    ),
)
