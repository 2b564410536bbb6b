"""The futures side of the market, day by day: contracts, their prices and settlements, betas, sectors."""

import json
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from pipelines.clock import decision_instant
from pipelines.hedges.market import Beta, HedgeMarket, SectorView
from pipelines.money import exact
from pipelines.policy import Policy
from warehouse.connection import Connection
from warehouse.portfolio import read

_METRICS = """
select date, asset, funding_3d_bps, funding_pctl_90d, open_interest_z_90d, open_interest_usd_z_90d, perp_close_usd
from marts.asset_futures_daily
where date between $first_day and $last_day
"""

# The linear perpetual of each asset on one exchange, and every contract that is held.
_CONTRACTS = """
select date, exchange, symbol, asset, coalesce(close_usd, price_usd) as close_usd
from intermediate.int_instrument_daily
where date between $first_day and $last_day
    and market_type = 'perpetual'
    and ((exchange = $exchange and symbol like '%:USDT') or (exchange || ' ' || symbol) in (select unnest($held)))
order by date, exchange, symbol
"""

_SETTLEMENTS = """
select exchange, symbol, settled_at, available_at, funding_rate, mark_price
from raw.funding_rates
where settled_at > $since and (exchange || ' ' || symbol) in (select unnest($names))
qualify row_number() over (partition by exchange, symbol, settled_at order by ingested_at desc) = 1
order by settled_at
"""

_TERMS = """
select exchange, symbol, min_notional_usd, is_linear, contract_size,
    lot_step * coalesce(multiplier * ratio, contract_multiplier, 1) as lot_step_base
from raw.instruments
left join seeds.asset_symbols using (base)
where market_type = 'perpetual'
qualify row_number() over (partition by exchange, symbol order by ingested_at desc) = 1
"""

_RETURNS = """
select date, asset, spot_close_usd
from marts.asset_futures_daily
where date between $since and $last_day and spot_close_usd is not null
"""

_SECTORS = """
select funding.date, funding.sector, funding.funding_3d_bps, funding.funding_pctl_90d, funding.leaders,
    funding.leader_weights, interest.volume_ratio_7d_28d, interest.momentum_14d_frac, signals.spread_z,
    leaders_usd.open_interest_usd
from marts.sector_funding_daily as funding
left join marts.sector_open_interest_daily as interest
    on funding.date = interest.date and funding.sector = interest.sector
left join portfolio.sector_signals as signals
    on funding.date = signals.as_of_date and funding.sector = signals.sector
left join (
    select date, sector, sum(open_interest_median_usd) as open_interest_usd
    from intermediate.int_leaders
    group by all
) as leaders_usd on funding.date = leaders_usd.date and funding.sector = leaders_usd.sector
where funding.date between $first_day and $last_day
"""


class Settlement(NamedTuple):
    """One settled funding rate of a contract; times are naive UTC, `mark_price` null where it is not published."""

    settled_at: datetime
    available_at: datetime
    funding_rate: float
    mark_price: float | None


def _settled_at(one: Settlement) -> datetime:
    return one.settled_at


def _available_at(one: Settlement) -> datetime:
    return one.available_at


class FuturesMarket:
    """Contracts, settlements, betas and sectors on the days of a run.

    Args:
        connection: The build file, with the marts and signals of the run.
        first_day: First day that is asked for, or the day after the book where that is earlier.
        last_day: Last day.
        held: (exchange, symbol) of contracts that are open already.
        policy: Gives the exchange that hedges, and the windows.
    """

    def __init__(
        self,
        connection: Connection,
        first_day: date,
        last_day: date,
        held: Iterable[tuple[str, str]],
        policy: Policy,
    ) -> None:
        self._policy = policy
        days = {"first_day": first_day, "last_day": last_day}
        names = [f"{exchange} {symbol}" for exchange, symbol in held]
        self._metrics = {
            (row["date"], row["asset"]): row for row in read(connection, _METRICS, days).iter_rows(named=True)
        }
        self._closes: dict[date, dict[tuple[str, str], float]] = defaultdict(dict)
        self._exact_closes: dict[date, dict[tuple[str, str], Fraction]] = {}
        self._contract: dict[date, dict[str, tuple[str, str]]] = defaultdict(dict)
        self._names: dict[str, tuple[str, str]] = {}
        self._assets: dict[tuple[str, str], str] = {}
        rows = read(connection, _CONTRACTS, days | {"exchange": policy.hedge.exchange, "held": names})
        for day, exchange, symbol, asset, close in rows.iter_rows():
            self._assets[exchange, symbol] = asset
            if close is not None:
                self._closes[day][exchange, symbol] = close
            if exchange == policy.hedge.exchange and symbol.endswith(":USDT"):
                self._contract[day][asset] = exchange, symbol
                self._names[asset] = exchange, symbol
        known = [" ".join(name) for name in self._names.values()] if self._is_every_asset_traded else []
        wanted = {*names, *known, *(" ".join(self.contract(asset, last_day)) for asset in policy.hedge.assets)}
        since = datetime.combine(first_day, datetime.min.time()) - timedelta(days=7)
        self._settlements: dict[tuple[str, str], list[Settlement]] = defaultdict(list)
        rows = read(connection, _SETTLEMENTS, {"since": since, "names": sorted(wanted)})
        for exchange, symbol, *settled in rows.iter_rows():
            self._settlements[exchange, symbol].append(Settlement(*settled))
        self._terms = {(row["exchange"], row["symbol"]): row for row in read(connection, _TERMS).iter_rows(named=True)}
        self._sectors = {
            (row["date"], row["sector"]): row for row in read(connection, _SECTORS, days).iter_rows(named=True)
        }
        since_return = first_day - timedelta(days=policy.hedge.beta_days + 1)
        closes = read(connection, _RETURNS, {"since": since_return, "last_day": last_day})
        self._returns = _Returns(closes, since_return, last_day)

    @property
    def _is_every_asset_traded(self) -> bool:
        """Whether any leader may get a leg of its own."""
        expression = self._policy.expression
        is_shorted = expression.reduce != "sell_spot" or any(
            one.reduce not in (None, "sell_spot") for one in expression.sectors.values()
        )
        return is_shorted or self._policy.tactical.enabled

    def contract(self, asset: str, day: date) -> tuple[str, str]:
        """Exchange and symbol of the contract that is traded for an asset."""
        default = self._policy.hedge.exchange, f"{asset}/USDT:USDT"
        return self._contract.get(day, {}).get(asset) or self._names.get(asset, default)

    def closes(self, day: date) -> Mapping[tuple[str, str], Fraction]:
        """Exchange and symbol to the contract's close, USD per coin."""
        if day not in self._exact_closes:  # a night asks several times, and never for an earlier day again
            self._exact_closes = {day: {name: exact(close) for name, close in self._closes.get(day, {}).items()}}
        return self._exact_closes[day]

    def settlements(self, name: tuple[str, str], day: date) -> list[Settlement]:
        """The settlements of one day, after its first midnight and up to its last."""
        begins = datetime.combine(day, datetime.min.time())
        settled = self._settlements.get(name, [])
        first = bisect_right(settled, begins, key=_settled_at)
        return settled[first : bisect_right(settled, begins + timedelta(days=1), key=_settled_at)]

    def market(self, asset: str, name: tuple[str, str], day: date, exposure_usd: Fraction) -> HedgeMarket:
        """One asset with one contract at the end of a day."""
        metrics = self._metrics.get((day, asset), {})
        terms = self._terms.get(name, {})
        is_inverse = terms.get("is_linear") is False
        settled = self._settlements.get(name, [])
        until = bisect_right(settled, decision_instant(day), key=_available_at)
        last = settled[max(0, until - self._policy.hedge.exit_negative_settlements) : until]
        return HedgeMarket(
            asset=asset,
            exchange=name[0],
            symbol=name[1],
            exposure_usd=exposure_usd,
            funding_3d_bps=metrics.get("funding_3d_bps"),
            funding_pctl_90d=metrics.get("funding_pctl_90d"),
            open_interest_z_90d=metrics.get("open_interest_z_90d"),
            open_interest_usd_z_90d=metrics.get("open_interest_usd_z_90d"),
            mark_price_usd=self._closes.get(day, {}).get(name, metrics.get("perp_close_usd")),
            last_settlements=tuple(one.funding_rate for one in last),
            lot_step_base=None if is_inverse else terms.get("lot_step_base"),
            min_notional_usd=terms.get("min_notional_usd"),
            contract_size_usd=terms.get("contract_size") if is_inverse else None,
        )

    def contract_size(self, name: tuple[str, str]) -> tuple[float | None, bool]:
        """Size of one contract, USD of an inverse one and coins of a linear one, and whether it is inverse."""
        terms = self._terms.get(name, {})
        return terms.get("contract_size"), terms.get("is_linear") is False

    def asset(self, exchange: str, symbol: str) -> str:
        """The asset that a contract is on; what its name says where the contract is not known."""
        return self._assets.get((exchange, symbol), symbol.split("/")[0])

    def sector(self, sector: str, day: date) -> SectorView:
        """What the marts say of a sector; the caller adds the night's state and targets."""
        row: Mapping[str, Any] = self._sectors.get((day, sector), {})
        leaders = dict(zip(row.get("leaders") or (), row.get("leader_weights") or (), strict=True))
        spread_z = [z for z in json.loads(row.get("spread_z") or "{}").values() if z is not None]
        view = SectorView(
            funding_3d_bps=row.get("funding_3d_bps"),
            funding_pctl_90d=row.get("funding_pctl_90d"),
            leaders_open_interest_usd=row.get("open_interest_usd"),
            volume_ratio=row.get("volume_ratio_7d_28d"),
            momentum_14d_frac=row.get("momentum_14d_frac"),
            spread_z=max(spread_z, default=None),
            leaders=leaders,
        )
        if not self._policy.tactical.enabled or view.first_leader is None:
            return view
        days = self._policy.windows.momentum
        return replace(view, leader_daily_vol=self._returns.volatility(view.first_leader, day, days))

    def betas(self, assets: Sequence[str], day: date) -> dict[tuple[str, str], Beta]:
        """(asset, hedge asset) to the regression of their daily spot returns."""
        return {
            (asset, hedge): beta
            for hedge in self._policy.hedge.assets
            for asset, beta in self._returns.betas(assets, hedge, day, self._policy.hedge.beta_days).items()
            if asset != hedge
        }


class _Returns:
    """Daily returns of all assets, one row per asset; unknown where one of the two closes is."""

    def __init__(self, closes: pl.DataFrame, first_day: date, last_day: date) -> None:
        self._first_day = first_day
        self._rows = {asset: row for row, asset in enumerate(closes["asset"].unique().sort())}
        prices = np.full((len(self._rows), (last_day - first_day).days + 1), np.nan)
        for day, asset, close in closes.iter_rows():
            prices[self._rows[asset], (day - first_day).days] = close
        self._returns = prices[:, 1:] / prices[:, :-1] - 1

    def _window(self, assets: Sequence[str], day: date, days: int) -> np.ndarray:
        end = (day - self._first_day).days
        return self._returns[[self._rows[asset] for asset in assets], max(0, end - days) : end]

    def betas(self, assets: Sequence[str], hedge: str, day: date, days: int) -> dict[str, Beta]:
        """Least squares of each asset's returns on the hedge's, over the days up to `day` on which both are known."""
        unknown = dict.fromkeys(assets, Beta(None, None, None, 0))
        priced = [asset for asset in assets if asset in self._rows]
        if not priced or hedge not in self._rows:
            return unknown
        y, x = self._window(priced, day, days), self._window([hedge], day, days)
        known = ~np.isnan(x + y)
        counts = known.sum(axis=1)
        x, y = _centred(x, known, counts), _centred(y, known, counts)
        products = ((first * second).sum(axis=1).tolist() for first, second in ((x, x), (x, y), (y, y)))
        return unknown | dict(zip(priced, map(_beta, counts.tolist(), *products), strict=True))

    def volatility(self, asset: str, day: date, days: int) -> float | None:
        """Standard deviation of the daily returns; None when a third of them is unknown."""
        if asset not in self._rows:
            return None
        window = self._window([asset], day, days)[0]
        known = window[~np.isnan(window)]
        if len(known) < math.ceil(2 * days / 3):
            return None
        return round(float(known.std()), 9)


def _centred(returns: np.ndarray, known: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Distance from the mean of the known days; 0 on the others, which then add nothing to a sum of products."""
    means = np.where(known, returns, 0.0).sum(axis=1) / np.maximum(counts, 1)
    return np.where(known, returns - means[:, None], 0.0)


def _beta(n: int, xx: float, xy: float, yy: float) -> Beta:
    if n < 3 or xx == 0 or yy == 0:
        return Beta(None, None, None, n)
    slope = xy / xx
    left = max(yy - slope * xy, 0.0)
    return Beta(round(slope, 9), round(1 - left / yy, 9), round(math.sqrt(left / n), 9), n)
