"""A market made by hand: a few coins in three sectors, day by day, in the tables that the nights read.

The markets, the books and the decisions over it are the project's own; only the data are made up. Everything that is
not said otherwise is the same on every day: all sectors hold, prices do not move, nothing costs anything.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import duckdb
import polars as pl

from pipelines.allocations.book import CASH
from pipelines.holdings.effective import Effective
from pipelines.holdings.models import Portfolio
from pipelines.holdings.portfolio import parse_portfolio, resolve
from pipelines.ledger.book import LedgerBook, RoleTotals
from pipelines.policy import Policy, parse_policy
from pipelines.portfolio import inputs
from pipelines.portfolio.book import NightBook
from pipelines.portfolio.night import Night
from pipelines.portfolio.nights import decide_nights
from pipelines.portfolio.world import World
from pipelines.settings import Settings

MONDAY = dt.date(2024, 3, 4)
COINS = {"BTC": ("GOLD", 50_000.0), "ETH": ("L1", 2_000.0), "SOL": ("L1", 100.0), "UNI": ("DEFI", 10.0)}
WEIGHTS = {"GOLD": "2/5", "L1": "3/10", "DEFI": "3/10"}
ACTIONS = {
    "REDUCE": "OVERLEVERAGED",
    "TRIM": "UNSTABLE",
    "INCREASE": "ACCUMULATION",
    "HOLD": "NEUTRAL",
    "FREEZE": "NO_DATA",
}
FREE = {"spot_fee": 0, "perp_taker": 0, "slip_major": 0, "slip_alt": 0, "perp_slip": 0}
OVERBOUGHT = {"funding_3d_bps": 5.0, "funding_pctl_90d": 0.99, "open_interest_z_90d": 2.0}

_COLUMNS: dict[str, dict[str, Any]] = {
    "intermediate.int_instrument_daily": {
        "date": pl.Date, "exchange": pl.String, "symbol": pl.String, "asset": pl.String, "market_type": pl.String,
        "close_usd": pl.Float64, "price_usd": pl.Float64, "volume_usd": pl.Float64,
    },
    "intermediate.int_leaders": {"date": pl.Date, "sector": pl.String, "open_interest_median_usd": pl.Float64},
    "marts.sector_membership": {
        "asset": pl.String, "sector": pl.String, "valid_from": pl.Date, "valid_to": pl.Date,
    },
    "marts.sector_weights": {"sector": pl.String, "strategic_weight_exact": pl.String},
    "marts.asset_futures_daily": {
        "date": pl.Date, "asset": pl.String, "funding_3d_bps": pl.Float64, "funding_pctl_90d": pl.Float64,
        "open_interest_z_90d": pl.Float64, "open_interest_usd_z_90d": pl.Float64, "perp_close_usd": pl.Float64,
        "spot_close_usd": pl.Float64,
    },
    "marts.calendar_spreads_daily": {
        "date": pl.Date, "asset": pl.String, "exchange": pl.String, "is_front_rich": pl.Boolean,
        "front_basis_annualised": pl.Float64, "far_basis_annualised": pl.Float64,
    },
    "marts.sector_funding_daily": {
        "date": pl.Date, "sector": pl.String, "funding_3d_bps": pl.Float64, "funding_pctl_90d": pl.Float64,
        "leaders": pl.List(pl.String), "leader_weights": pl.List(pl.Float64),
    },
    "marts.sector_open_interest_daily": {
        "date": pl.Date, "sector": pl.String, "volume_ratio_7d_28d": pl.Float64, "momentum_14d_frac": pl.Float64,
    },
    "portfolio.sector_signals": {
        "as_of_date": pl.Date, "sector": pl.String, "state": pl.String, "action": pl.String,
        "reason_codes": pl.List(pl.String), "spread_z": pl.String,
    },
    "raw.instruments": {
        "exchange": pl.String, "symbol": pl.String, "market_type": pl.String, "base": pl.String,
        "contract_multiplier": pl.Float64,
        "is_linear": pl.Boolean, "contract_size": pl.Float64, "lot_step": pl.Float64, "min_notional_usd": pl.Float64,
        "is_active": pl.Boolean, "delist_at": pl.Datetime("us"), "ingested_at": pl.Datetime("us"),
    },
    "raw.funding_rates": {
        "exchange": pl.String, "symbol": pl.String, "settled_at": pl.Datetime("us"), "available_at": pl.Datetime("us"),
        "ingested_at": pl.Datetime("us"), "funding_rate": pl.Float64, "mark_price": pl.Float64,
    },
    "raw.futures_ohlcv": {
        "exchange": pl.String, "symbol": pl.String, "price_type": pl.String, "opened_at": pl.Datetime("us"),
        "available_at": pl.Datetime("us"), "ingested_at": pl.Datetime("us"), "close": pl.Float64,
    },
    "seeds.asset_symbols": {"base": pl.String, "multiplier": pl.Float64, "ratio": pl.Float64},
}  # fmt: skip

Changes = dict[tuple[Any, ...], Any]


def at(day: dt.date, hours: float = 0.0) -> dt.datetime:
    """A time of a day; 24 hours are the next midnight."""
    return dt.datetime.combine(day, dt.time()) + dt.timedelta(hours=hours)


def day(number: int) -> dt.date:
    """Days are counted from a Monday."""
    return MONDAY + dt.timedelta(days=number)


@dataclass
class Market:
    """What the tables hold. Days are numbers, 0 a Monday; a table of changes overrides what all other days have.

    Attributes:
        exchanges: Where every coin is traded, spot and linear perpetual.
        prices: (day, asset) to the price of its instruments; None: no close on any exchange.
        venue_prices: (day, exchange, asset) to the spot close there; None: dropped, the row has no close.
        absent: (day, exchange, asset) without any row of the spot instrument.
        perp_prices: (day, asset) to the close of the perpetuals; without one the spot price.
        actions: (day, sector) to the action of the signals.
        metrics: (day, asset) to columns of the asset's mart.
        sector_metrics: (day, sector) to columns of the sector's marts, `spread_z` and `open_interest_usd`.
        leaders: Sector to its leaders, equal weights.
        rich: (day, asset) to (front, far) annualised basis on the first exchange; rich is front 20% and 10% above far.
        funding: (asset, settled_at) to (rate, mark price) on the first exchange.
        members: (asset, sector, first day, last day) instead of what `COINS` says.
        listed: Asset to the first day of its spot instruments; absent: the first day there is.
        instruments: Rows of `raw.instruments` beside the first revision of everything, later revisions.
        lots: (exchange, asset) to the spot lot; None unknown.
        minima: (exchange, asset) to the smallest order.
        index: (day, hour) to the price of bitcoin in dollars, of the coin-margined index.
    """

    exchanges: tuple[str, ...] = ("binance",)
    prices: Changes = field(default_factory=dict)
    venue_prices: Changes = field(default_factory=dict)
    absent: set[tuple[int, str, str]] = field(default_factory=set)
    perp_prices: Changes = field(default_factory=dict)
    actions: Changes = field(default_factory=dict)
    metrics: Changes = field(default_factory=dict)
    sector_metrics: Changes = field(default_factory=dict)
    leaders: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"GOLD": ("BTC",), "L1": ("ETH", "SOL"), "DEFI": ("UNI",)}
    )
    rich: Changes = field(default_factory=dict)
    funding: dict[tuple[str, dt.datetime], tuple[float, float | None]] = field(default_factory=dict)
    members: tuple[tuple[str, str, int | None, int | None], ...] = ()
    listed: Mapping[str, int] = field(default_factory=dict)
    instruments: list[dict[str, Any]] = field(default_factory=list)
    lots: Changes = field(default_factory=dict)
    minima: Changes = field(default_factory=dict)
    index: Mapping[tuple[int, int], float] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=lambda: dict(WEIGHTS))
    first: int = -100
    last: int = 30

    def price(self, number: int, asset: str) -> float | None:
        return self.prices.get((number, asset), COINS[asset][1])

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A build file in memory with all tables that the nights read, and no decision yet."""
        connection = duckdb.connect(config={"threads": 1})
        rows = self._rows()
        for name in {*(table.split(".")[0] for table in _COLUMNS), "portfolio"}:
            connection.execute(f"create schema if not exists {name}")
        for name, columns in _COLUMNS.items():
            frame = pl.DataFrame(rows.get(name, []), schema=columns, orient="row")
            connection.register("made", frame)
            connection.execute(f"create table {name} as from made")
            connection.unregister("made")
        connection.execute("create table portfolio.decisions (as_of_date date, decision_id text, book_json text)")
        return connection

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _COLUMNS}
        days = range(self.first, self.last + 1)
        for number in days:
            for asset, (_, _price) in COINS.items():
                self._asset_day(rows, number, asset)
            for sector in self.weights:
                self._sector_day(rows, number, sector)
        for asset, (sector, _) in COINS.items():
            own = [one for one in self.members if one[0] == asset] or [(asset, sector, None, None)]
            rows["marts.sector_membership"] += [
                {
                    "asset": asset,
                    "sector": name,
                    "valid_from": dt.date(2015, 1, 1) if since is None else day(since),
                    "valid_to": None if until is None else day(until),
                }
                for _, name, since, until in own
            ]
            for exchange in self.exchanges:
                for symbol, kind in ((f"{asset}/USDT", "spot"), (f"{asset}/USDT:USDT", "perpetual")):
                    is_spot = kind == "spot"
                    rows["raw.instruments"].append(
                        {
                            "exchange": exchange, "symbol": symbol, "market_type": kind, "base": asset,
                            "is_linear": None if is_spot else True, "contract_size": None if is_spot else 1.0,
                            "lot_step": self.lots.get((exchange, asset), 1e-6) if is_spot else 0.001,
                            "min_notional_usd": self.minima.get((exchange, asset), 5.0) if is_spot else 5.0,
                            "is_active": True, "delist_at": None, "ingested_at": at(day(self.first)),
                        }
                    )  # fmt: skip
        rows["raw.instruments"] += [rows["raw.instruments"][0] | self._revision(one) for one in self.instruments]
        rows["marts.sector_weights"] = [
            {"sector": name, "strategic_weight_exact": weight} for name, weight in self.weights.items()
        ]
        rows["raw.funding_rates"] = [
            {
                "exchange": self.exchanges[0], "symbol": f"{asset}/USDT:USDT", "settled_at": settled,
                "available_at": settled + dt.timedelta(minutes=1), "ingested_at": settled + dt.timedelta(minutes=5),
                "funding_rate": rate, "mark_price": mark,
            }
            for (asset, settled), (rate, mark) in self.funding.items()
        ]  # fmt: skip
        rows["raw.futures_ohlcv"] = [
            {
                "exchange": self.exchanges[0], "symbol": "BTC/USD:BTC", "price_type": "index",
                "opened_at": at(day(number), hour), "available_at": at(day(number), hour + 1 + 1 / 12),
                "ingested_at": at(day(number), hour + 1.2), "close": close,
            }
            for (number, hour), close in self.index.items()
        ]  # fmt: skip
        return rows

    @staticmethod
    def _revision(changed: dict[str, Any]) -> dict[str, Any]:
        symbol = changed["symbol"]
        return {"base": symbol.split("/")[0], "market_type": "perpetual" if ":" in symbol else "spot"} | changed

    def _asset_day(self, rows: dict[str, list[dict[str, Any]]], number: int, asset: str) -> None:
        price, date = self.price(number, asset), day(number)
        perp = self.perp_prices.get((number, asset), price)
        for exchange in self.exchanges:
            common = {"date": date, "exchange": exchange, "asset": asset, "volume_usd": 1e7}
            close = self.venue_prices.get((number, exchange, asset), price)
            is_there = number >= self.listed.get(asset, self.first) and (number, exchange, asset) not in self.absent
            if is_there and not (price is None and (number, exchange, asset) not in self.venue_prices):
                rows["intermediate.int_instrument_daily"].append(
                    common | {"symbol": f"{asset}/USDT", "market_type": "spot", "close_usd": close, "price_usd": close}
                )
            if perp is not None:
                symbol = f"{asset}/USDT:USDT"
                rows["intermediate.int_instrument_daily"].append(
                    common | {"symbol": symbol, "market_type": "perpetual", "close_usd": perp, "price_usd": perp}
                )
        rows["marts.asset_futures_daily"].append(
            {
                "date": date, "asset": asset, "funding_3d_bps": 1.0, "funding_pctl_90d": 0.5,
                "open_interest_z_90d": 0.0, "open_interest_usd_z_90d": 0.0, "perp_close_usd": perp,
                "spot_close_usd": price,
            }
            | self.metrics.get((number, asset), {})
        )  # fmt: skip
        if (number, asset) in self.rich:
            front, far = self.rich[number, asset]
            rows["marts.calendar_spreads_daily"].append(
                {
                    "date": date, "asset": asset, "exchange": self.exchanges[0],
                    "is_front_rich": far is not None and front >= 0.2 and round(front - far, 9) >= 0.1,
                    "front_basis_annualised": front, "far_basis_annualised": far,
                }
            )  # fmt: skip

    def _sector_day(self, rows: dict[str, list[dict[str, Any]]], number: int, sector: str) -> None:
        date, action = day(number), self.actions.get((number, sector), "HOLD")
        own = {"open_interest_usd": 1e9, "funding_3d_bps": 1.0, "funding_pctl_90d": 0.5, "volume_ratio_7d_28d": 1.0}
        own |= {"momentum_14d_frac": 0.0, "spread_z": None} | self.sector_metrics.get((number, sector), {})
        if action is not None:
            rows["portfolio.sector_signals"].append(
                {
                    "as_of_date": date, "sector": sector, "state": ACTIONS[action], "action": action,
                    "reason_codes": [], "spread_z": own["spread_z"],
                }
            )  # fmt: skip
        leaders = list(self.leaders.get(sector, ()))
        rows["marts.sector_funding_daily"].append(
            {
                "date": date, "sector": sector, "funding_3d_bps": own["funding_3d_bps"],
                "funding_pctl_90d": own["funding_pctl_90d"], "leaders": leaders,
                "leader_weights": [1 / len(leaders)] * len(leaders),
            }
        )  # fmt: skip
        rows["marts.sector_open_interest_daily"].append(
            {"date": date, "sector": sector}
            | {name: own[name] for name in ("volume_ratio_7d_28d", "momentum_14d_frac")}
        )
        rows["intermediate.int_leaders"].append(
            {"date": date, "sector": sector, "open_interest_median_usd": own["open_interest_usd"]}
        )


def policy(changes: Mapping[str, Any] | None = None, costs: Mapping[str, Any] | None = None) -> Policy:
    """The default policy without costs, and with what is changed."""
    return parse_policy({"costs": FREE if costs is None else dict(costs), **(changes or {})})


def portfolio(**keys: Any) -> Portfolio:
    """What `portfolio.yml` says."""
    return parse_portfolio(keys)


def world(
    market: Market,
    first: int,
    last: int,
    book: NightBook | None = None,
    rules: Policy | None = None,
    says: Portfolio | None = None,
    value_usd: float = 100_000.0,
) -> World:
    """The world of some days, read from the market's tables as a run reads it."""
    says, rules = says or Portfolio(), rules or policy()
    settings = Settings(portfolio_value_usd=value_usd)
    effective = Effective(says, resolve(says, rules))
    with market.connection() as connection:
        return inputs.read_world(connection, book or NightBook(), settings, effective, day(first), day(last))


def nights(
    market: Market,
    first: int,
    last: int,
    book: NightBook | None = None,
    rules: Policy | None = None,
    says: Portfolio | None = None,
    value_usd: float = 100_000.0,
    name: Callable[[dt.date, NightBook], str] | None = None,
) -> list[Night]:
    """The decided nights of some days, all in one run."""
    book = book or NightBook()
    made = world(market, first, last, book, rules, says, value_usd)
    return list(decide_nights(book, made, made.policy, day(first), day(last), name or name_decision))


def name_decision(date: dt.date, book: NightBook) -> str:
    return f"{date}-{book.digest()[:8]}"


def row(night: Night, sector: str) -> Any:
    """A sector's row of the decision, or that of CASH."""
    return next(one for one in night.decision.rows if one.sector == sector)


def cash_row(night: Night) -> Any:
    return row(night, CASH)


def target(night: Night, asset: str) -> Any:
    """An asset's target."""
    return next(one for one in night.orders.targets if one.asset == asset)


def orders(night: Night) -> dict[tuple[str, str], Fraction]:
    """(side, asset) to the notional in USD, summed over exchanges."""
    found: dict[tuple[str, str], Fraction] = {}
    for one in night.orders.orders:
        found[one.side, one.asset] = found.get((one.side, one.asset), Fraction(0)) + one.notional_usd
    return found


def profit(ledger: LedgerBook, role: str) -> RoleTotals:
    return ledger.role_totals(role)
