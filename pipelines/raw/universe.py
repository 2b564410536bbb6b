"""Which of an exchange's instruments are read: those of the assets that have a sector."""

from datetime import datetime

import polars as pl

from pipelines.seeds import Assets

MARKET_TYPES = ("spot", "perpetual", "dated")


def select_instruments(
    instruments: pl.DataFrame,
    assets: Assets,
    *,
    dated_assets: tuple[str, ...],
    start: datetime,
    end: datetime,
) -> pl.DataFrame:
    """The instruments to read, in a fixed order (spot, perpetual, dated; then by symbol).

    Spot against USDT; perpetuals margined in USDT and in the coin itself; dated contracts margined in USDT of
    `dated_assets`. What no longer trades stays in as long as it may have traded after `start`: leaving out
    the coins that failed would make the past look better than it was.

    Args:
        instruments: Columns of `raw.instruments` (lineage not needed) of one exchange.
        assets: What to look for.
        dated_assets: Assets whose dated contracts are read.
        start: Beginning of the history that is wanted.
        end: Its end; what is listed later stays out.

    Returns:
        The rows of `instruments` with one more column, `asset`.
    """
    by_base = assets.by_base(start.date(), end.date())
    bases = pl.DataFrame({"base": list(by_base), "asset": list(by_base.values())})
    is_usdt = (pl.col("quote") == "USDT") & (pl.col("settle") == "USDT")
    is_coin = (pl.col("quote") == "USD") & (pl.col("settle") == pl.col("base"))
    kind = pl.col("market_type")
    ended_at = pl.coalesce("delist_at", "expiry_at")
    return (
        instruments.join(bases, on="base", how="inner")
        .filter(
            ((kind == "spot") & (pl.col("quote") == "USDT"))
            | ((kind == "perpetual") & (is_usdt | is_coin))
            | ((kind == "dated") & is_usdt & pl.col("asset").is_in(list(dated_assets)))
        )
        .filter(
            ended_at.is_null() | (ended_at > start),
            pl.col("listed_at").is_null() | (pl.col("listed_at") < end),
        )
        .sort(kind.cast(pl.Enum(MARKET_TYPES)), "symbol")
    )
