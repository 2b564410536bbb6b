"""Whether a ticker means the coin it is taken for: its price tells.

Exchanges give one code to different coins, and list coins in units of a thousand without saying so in a field. Where at
least two other exchanges trade the coin, an instrument whose price departs from the median of theirs is set aside.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from math import log10

import polars as pl

from pipelines.exchanges.port import INSTRUMENT_COLUMNS, REJECTED_COLUMNS, Fetched
from pipelines.raw.batch import TABLES, Load, Stamp, load_log
from warehouse.connection import Connection
from warehouse.frames import registered

RULE = "price_of_its_coin"
_RECENT = timedelta(days=2)
_NOTHING = pl.DataFrame(schema=INSTRUMENT_COLUMNS)


def strangers(connection: Connection, named: pl.DataFrame, now: datetime, price_jump: float) -> pl.DataFrame:
    """Instruments whose newest price is not that of the coin they are taken for.

    Spot and perpetuals are each compared with their own kind on at least two other exchanges, and with the median of
    all: one wrong price moves the median of the others for those that are right. A perpetual is also compared with the
    coin's spot price anywhere; half or double of that means that its unit is another one.

    Args:
        connection: The build file.
        named: exchange, symbol, asset, market_type, coins_per_unit of every instrument that was read.
        now: Newest time to look at; candles of the two days before count.
        price_jump: Departure from which on it is another coin (fraction, 0.02 is 2%).

    Returns:
        exchange, symbol, asset, opened_at, price_usd (of one coin), coin_price_usd (what the others say).
    """
    with registered(connection, named, "named"):
        return connection.execute(
            """
            with candles as (
                select exchange, symbol, opened_at, close, ingested_at from raw.futures_ohlcv
                where price_type = 'last' and opened_at between $first and $now
                union all
                select exchange, symbol, opened_at, close, ingested_at from raw.spot_ohlcv
                where opened_at between $first and $now
            ),
            newest as (
                select exchange, symbol, max(opened_at) as opened_at,
                    arg_max(close, (opened_at, ingested_at)) as close
                from candles group by exchange, symbol
            ),
            prices as (
                select named.*, newest.opened_at, newest.close / named.coins_per_unit as price_usd
                from newest join named using (exchange, symbol)
                where named.market_type in ('spot', 'perpetual')
            ),
            compared as (
                select own.exchange, own.symbol, own.asset, own.market_type, own.opened_at, own.price_usd,
                    median(other.price_usd) filter (
                        where other.market_type = own.market_type and other.exchange <> own.exchange
                    ) as others_usd,
                    count(distinct other.exchange) filter (
                        where other.market_type = own.market_type and other.exchange <> own.exchange
                    ) as others,
                    median(other.price_usd) filter (where other.market_type = own.market_type) as all_usd,
                    median(other.price_usd) filter (where other.market_type = 'spot') as spot_usd
                from prices as own
                join prices as other on own.asset = other.asset and own.opened_at = other.opened_at
                group by all
            ),
            judged as (
                select *,
                    others >= 2 and abs(price_usd / others_usd - 1) > $price_jump
                        and abs(price_usd / all_usd - 1) > $price_jump as has_departed,
                    market_type = 'perpetual' and not price_usd / spot_usd between 0.5 and 2 as has_other_unit
                from compared
            )
            select exchange, symbol, asset, opened_at, price_usd,
                case when has_departed then others_usd else spot_usd end as coin_price_usd
            from judged where has_departed or has_other_unit
            order by exchange, symbol
            """,
            {"first": now - _RECENT, "now": now, "price_jump": price_jump},
        ).pl()


def set_aside(found: pl.DataFrame, *, stamp: Stamp, clock: Callable[[], datetime]) -> list[Load]:
    """One line of the load log and one quarantined row for every stranger; its candles stay where they are.

    The marts leave them out day by day, by the same rule, so nothing is lost if the exchange corrects itself.
    """
    loads = []
    for row in found.iter_rows(named=True):
        now, ratio = clock(), row["price_usd"] / row["coin_price_usd"]
        power = round(log10(ratio)) if ratio > 0 else 0
        is_unit = power in (-6, -3, 3, 6) and abs(ratio / 10**power - 1) < 0.1
        meaning = (
            f"it is listed in units of {10 ** abs(power):,} coins that dbt/seeds/asset_symbols.csv does not know"
            if is_unit
            else f"it is another coin than {row['asset']}, or its price is wrong"
        )
        error = (
            f"{row['symbol']}: one {row['asset']} costs {row['price_usd']:.6g} USD here "
            f"and {row['coin_price_usd']:.6g} elsewhere, so {meaning}; it is left out of every figure"
        )
        log = load_log(
            stamp, row["exchange"], "instruments", "failed",
            symbol=row["symbol"], started_at=now, ended_at=now, error=error, rows_received=1,
        )  # fmt: skip
        rejected = pl.DataFrame([(0, json.dumps(row, default=str), RULE)], schema=REJECTED_COLUMNS, orient="row")
        loads.append(Load(TABLES["instruments"], log, Fetched(_NOTHING, 0, "", rejected=rejected)))
    return loads
