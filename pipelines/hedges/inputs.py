"""What the hedge reads: the assets' own metrics, the instruments that hedge them, and yesterday's positions."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from pipelines.clock import decision_instant
from pipelines.hedges.overbought import HedgeMarket
from pipelines.hedges.positions import HedgeBook
from pipelines.hedges.sizing import asset_exposure_usd
from pipelines.policy import Policy
from warehouse.connection import Connection
from warehouse.portfolio import read

_METRICS = """
select date, asset, funding_3d_bps, funding_pctl_90d, open_interest_z_90d, open_interest_usd_z_90d, perp_close_usd
from marts.asset_futures_daily
where date between $first_day and $last_day and asset in (select unnest($assets))
"""

_CLOSES = """
select date, close_usd
from intermediate.int_candle_daily
where exchange = $exchange and symbol = $symbol and date between $first_day and $last_day and close_usd is not null
"""

_SETTLEMENTS = """
select available_at, funding_rate
from raw.funding_rates
where exchange = $exchange and symbol = $symbol and settled_at >= $since
qualify row_number() over (partition by settled_at order by ingested_at desc) = 1
order by settled_at
"""

_INSTRUMENT = """
select lot_step, min_notional_usd, is_linear, contract_size
from raw.instruments
where exchange = $exchange and symbol = $symbol
order by ingested_at desc
limit 1
"""

_DECIDED = """
select decisions.as_of_date, decision_id, spot_sleeve_usd, futures_sleeve_usd, portfolio_value_usd, sector, target_usd
from portfolio.decisions
join portfolio.target_allocations using (decision_id)
where decisions.as_of_date between $first_day and $last_day and sector <> 'CASH'
order by all
"""

_LEADERS = """
select date, sector, unnest(leaders) as asset, unnest(leader_weights) as weight
from marts.sector_funding_daily
where date between $first_day and $last_day
"""

_EARLIER_HEDGES = """
select *
from portfolio.hedges
where as_of_date < $first_day and as_of_date >= $since
"""


@dataclass(frozen=True)
class DecidedDay:
    """A decision as the hedge needs it."""

    day: date
    decision_id: str
    collateral_cents: int
    nav_cents: int
    targets_cents: Mapping[str, int]


@dataclass(frozen=True)
class Instrument:
    """What hedges one asset, with its closes per day and its settlements as they became known."""

    exchange: str
    symbol: str
    lot_step_base: float | None
    min_notional_usd: float | None
    contract_size_usd: float | None
    closes: Mapping[date, float]
    known_at: list[datetime]
    funding_rates: list[float]

    def last_settlements(self, day: date, count: int) -> tuple[float, ...]:
        """The last settlements that were known at the day's decision, oldest first."""
        until = bisect_right(self.known_at, decision_instant(day))
        return tuple(self.funding_rates[max(0, until - count) : until])


def hedge_symbol(asset: str) -> str:
    """The linear perpetual of an asset, in ccxt's unified spelling."""
    return f"{asset}/USDT:USDT"


def read_book(connection: Connection, first_day: date, policy: Policy) -> HedgeBook:
    """Open hedges and recent closes before `first_day`."""
    reach = policy.hedge.max_days + policy.hedge.reentry_days + policy.decide.cooldown_days
    rows = read(connection, _EARLIER_HEDGES, {"first_day": first_day, "since": first_day - timedelta(days=reach)})
    return HedgeBook.from_rows(rows.to_dicts(), first_day)


def read_decided_days(connection: Connection, first_day: date, last_day: date) -> list[DecidedDay]:
    """The decisions of the days, in order; days without one are not among them."""
    rows = read(connection, _DECIDED, {"first_day": first_day, "last_day": last_day})
    days = []
    for (day, decision_id), frame in rows.partition_by(
        "as_of_date", "decision_id", as_dict=True, maintain_order=True
    ).items():
        targets = dict(frame.select("sector", "target_usd").iter_rows())
        days.append(
            DecidedDay(
                day,
                decision_id,
                _cents(frame["futures_sleeve_usd"][0]),
                _cents(frame["portfolio_value_usd"][0]),
                {sector: _cents(usd) for sector, usd in targets.items()},
            )
        )
    return days


def read_asset_metrics(
    connection: Connection, assets: Iterable[str], first_day: date, last_day: date
) -> dict[tuple[date, str], dict[str, Any]]:
    """(date, asset) to the asset's own funding and open interest metrics."""
    parameters = {"first_day": first_day, "last_day": last_day, "assets": list(assets)}
    return {(row["date"], row["asset"]): row for row in read(connection, _METRICS, parameters).to_dicts()}


def read_leader_weights(
    connection: Connection, first_day: date, last_day: date
) -> dict[date, dict[str, dict[str, float]]]:
    """Date to sector to the weights of its leaders."""
    weights: dict[date, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    rows = read(connection, _LEADERS, {"first_day": first_day, "last_day": last_day})
    for day, sector, asset, weight in rows.iter_rows():
        weights[day][sector][asset] = weight
    return weights


def read_instrument(connection: Connection, exchange: str, symbol: str, first_day: date, last_day: date) -> Instrument:
    """One instrument with all that the days need; unknown parts are None or empty."""
    name = {"exchange": exchange, "symbol": symbol}
    listed = read(connection, _INSTRUMENT, name).to_dicts()
    terms = listed[0] if listed else {}
    is_inverse = terms.get("is_linear") is False
    settled = read(connection, _SETTLEMENTS, name | {"since": first_day - timedelta(days=7)})
    closes = read(connection, _CLOSES, name | {"first_day": first_day, "last_day": last_day})
    return Instrument(
        exchange,
        symbol,
        None if is_inverse else terms.get("lot_step"),
        terms.get("min_notional_usd"),
        terms.get("contract_size") if is_inverse else None,
        dict(closes.iter_rows()),
        settled["available_at"].to_list(),
        settled["funding_rate"].to_list(),
    )


def hedge_market(
    asset: str,
    instrument: Instrument,
    decided: DecidedDay,
    leader_weights: Mapping[str, Mapping[str, float]],
    metrics: Mapping[str, Any],
    policy: Policy,
) -> HedgeMarket:
    """One asset and its instrument at the end of one day."""
    return HedgeMarket(
        asset=asset,
        exchange=instrument.exchange,
        symbol=instrument.symbol,
        exposure_usd=Fraction(asset_exposure_usd(asset, decided.targets_cents, leader_weights)),
        funding_3d_bps=metrics.get("funding_3d_bps"),
        funding_pctl_90d=metrics.get("funding_pctl_90d"),
        open_interest_z_90d=metrics.get("open_interest_z_90d"),
        open_interest_usd_z_90d=metrics.get("open_interest_usd_z_90d"),
        mark_price_usd=instrument.closes.get(decided.day, metrics.get("perp_close_usd")),
        last_settlements=instrument.last_settlements(decided.day, policy.hedge.exit_negative_settlements),
        lot_step_base=instrument.lot_step_base,
        min_notional_usd=instrument.min_notional_usd,
        contract_size_usd=instrument.contract_size_usd,
    )


def _cents(usd: float) -> int:
    return round(usd * 100)
