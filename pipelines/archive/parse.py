"""A table of the archive -> the frames that adapters give, row by row accounted for.

What the files do to their readers: a header row or none, stamps in milliseconds, in microseconds (spot, from 2025)
or as text (metrics), settlements some milliseconds off their hour, empty cells, rows of another day. What cannot be
read goes to quarantine with the row as it stood; what can be read and breaks a rule is caught at the border.
"""

import json
from dataclasses import dataclass

import polars as pl

from pipelines.archive.errors import RefusedFile
from pipelines.archive.names import ArchiveFile
from pipelines.clock import to_milliseconds
from pipelines.exchanges import port
from pipelines.exchanges.parse import RULE_UNREADABLE, TIME
from pipelines.exchanges.series import as_column, candle_values, time_column, to_the_hour

ROWS_PER_DAY = 288
RULE_OUTSIDE, RULE_OTHER_SYMBOL, RULE_INCOMPLETE = "inside_file", "symbol_of_file", "day_complete"
_MICROSECONDS_ABOVE = 10**14  # as milliseconds this would be the year 5138
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class _Layout:
    """Where a table keeps its values: column name to (place without a header, name in a header)."""

    time: tuple[int, str]
    required: dict[str, tuple[int, str]]
    optional: dict[str, tuple[int, str]]
    width: int


_CANDLES = _Layout(
    (0, "open_time"),
    {name: (place, name) for place, name in enumerate(_PRICES, 1)},
    {"volume": (5, "volume"), "turnover": (7, "quote_volume")},
    12,
)
_FUNDING = _Layout((0, "calc_time"), {"rate": (2, "last_funding_rate")}, {"mark_price": (3, "mark_price")}, 4)
_METRICS = _Layout(
    (0, "create_time"), {}, {"amount": (2, "sum_open_interest"), "value": (3, "sum_open_interest_value")}, 8
)
_METRICS_SYMBOL = (1, "symbol")
_NAMES_IN_USE = {"base_volume": "quote_volume", "quote_asset_volume": "quote_volume", "base_asset_volume":
                 "quote_volume", "fundingrate": "last_funding_rate", "fundingtime": "calc_time"}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """One file's rows.

    Attributes:
        fetched: In the shape of the port; `payload_sha256` is the file's.
        rows: Rows that the file holds, header apart.
        usable: Metrics: different stamps with open interest above 0; None for the rest.
    """

    fetched: port.Fetched
    rows: int
    usable: int | None = None


def parse_table(
    file: ArchiveFile, body: bytes, sha256: str, *, fewest_rows: int, usd_per_contract: float | None
) -> Table:
    """Read a file's table.

    Args:
        file: Which file.
        body: The table as CSV.
        sha256: Of the file.
        fewest_rows: A day of metrics with fewer usable rows is set aside as a whole: what is left of the day could
            not say where it ended.
        usd_per_contract: USD of one coin-margined contract; None for all others.

    Raises:
        RefusedFile: no UTF-8, no table, no rows, or other columns than this kind of file has.
    """
    layout = _METRICS if file.series.kind == "metrics" else _FUNDING if file.series.kind == "funding" else _CANDLES
    cells = _cells(body, layout, file.key)
    columns = _columns(cells, layout, file.key)
    if columns.pop("has_header"):
        cells = cells.slice(1)
    if cells.is_empty():
        raise RefusedFile(f"{file.key}: holds no rows; it is left out, and looked at again by the next import")
    read = cells.select(
        _time(columns["time"]).alias(TIME),
        *(_number(columns.get(name)).alias(name) for name in (*layout.required, *layout.optional)),
    )
    if file.series.kind == "funding":
        read = to_the_hour(read)
    broken = read.with_columns(cells[columns.get("symbol", columns["time"])].alias("said")).select(
        _rule(file, layout, "symbol" in columns)
    )["rule"]
    sound = read.filter(broken.is_null())
    usable = None
    if file.series.kind == "metrics":
        usable = sound.filter(pl.col("amount") > 0)[TIME].n_unique()
        if usable < fewest_rows:
            broken = broken.fill_null(RULE_INCOMPLETE)
            sound = sound.clear()
    rows = sound.unique().sort(sound.columns)
    schema, values = _target(file, usd_per_contract)
    frame = rows.select(as_column(values[name]).cast(kind).alias(name) for name, kind in schema.items())
    rejected = _rejected(cells, broken, columns)
    return Table(port.Fetched(frame, 0, sha256, rejected=rejected), cells.height, usable)


def _cells(body: bytes, layout: _Layout, key: str) -> pl.DataFrame:
    """All cells as text; missing ones at the end of a row are null."""
    try:
        body.decode("utf-8")
        return pl.read_csv(
            body.removeprefix(b"\xef\xbb\xbf"),
            has_header=False,
            schema={str(place): pl.String for place in range(layout.width)},
            quote_char=None,
            truncate_ragged_lines=True,
        )
    except UnicodeDecodeError:
        raise RefusedFile(f"{key}: its table is not UTF-8 text; refused") from None
    except pl.exceptions.NoDataError:
        raise RefusedFile(f"{key}: holds no rows; it is left out, and looked at again by the next import") from None
    except pl.exceptions.PolarsError as error:
        raise RefusedFile(f"{key}: holds no table ({str(error).splitlines()[0]}); refused") from None


def _columns(cells: pl.DataFrame, layout: _Layout, key: str) -> dict[str, str]:
    """Value to the column that holds it, and `has_header` (empty text: none)."""
    wanted = {"time": layout.time, **layout.required, **layout.optional}
    if layout is _METRICS:
        wanted["symbol"] = _METRICS_SYMBOL
    first = [(cell or "").strip().lower() for cell in cells.row(0)]
    if cells.head(1).select(_time("0")).item() is not None:
        return {name: str(place) for name, (place, _) in wanted.items()} | {"has_header": ""}
    header = {_NAMES_IN_USE.get(name, name): str(place) for place, name in enumerate(first)}
    found = {name: header[title] for name, (_, title) in wanted.items() if title in header}
    needed = {"time", *layout.required} | ({"amount", "value", "symbol"} if layout is _METRICS else set())
    if lacking := sorted(wanted[name][1] for name in needed - set(found)):
        raise RefusedFile(f"{key}: its table lacks the columns {', '.join(lacking)}; refused, for the archive may have "
                          "changed its format: open an issue")  # fmt: skip
    return found | {"has_header": "yes"}


def _time(column: str) -> pl.Expr:
    """Milliseconds since 1970 of a stamp in milliseconds, in microseconds or as text; null for anything else."""
    text = pl.col(column).str.strip_chars()
    number = text.cast(pl.Int64, strict=False)
    in_ms = pl.when(number > _MICROSECONDS_ABOVE).then(number // 1000).otherwise(number)
    written = text.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).dt.timestamp("ms")
    return pl.coalesce(in_ms, written)


def _number(column: str | None) -> pl.Expr:
    if column is None:
        return pl.lit(None, pl.Float64)
    number = pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _rule(file: ArchiveFile, layout: _Layout, has_symbol: bool) -> pl.Expr:
    """The rule that a row breaks, null for a sound one; over the values that were read and the symbol as `said`."""
    start, end = (to_milliseconds(moment) for moment in file.window)
    time = pl.col(TIME)
    # A day of metrics is labelled 00:00 to 23:55 in some years, 00:05 to 24:00 in others.
    is_after = time > end if file.series.kind == "metrics" else time >= end
    lacks = pl.any_horizontal(time.is_null(), *(pl.col(name).is_null() for name in layout.required))
    is_other = pl.col("said") != file.series.instrument.name if has_symbol else pl.lit(False)
    return (
        pl.when(lacks)
        .then(pl.lit(RULE_UNREADABLE))
        .when(is_other)
        .then(pl.lit(RULE_OTHER_SYMBOL))
        .when((time < start) | is_after)
        .then(pl.lit(RULE_OUTSIDE))
        .alias("rule")
    )


def _rejected(cells: pl.DataFrame, rules: pl.Series, columns: dict[str, str]) -> pl.DataFrame:
    bad = cells.with_columns(rules.alias("rule")).filter(pl.col("rule").is_not_null())
    if bad.is_empty():
        return port.no_rejected_rows()
    names = {place: name for name, place in columns.items()}
    said = [
        json.dumps({names.get(place, f"column_{place}"): cell for place, cell in row.items() if cell is not None})
        for row in bad.drop("rule").iter_rows(named=True)
    ]
    return pl.DataFrame({"row_number": range(bad.height), "row_json": said, "rule": bad["rule"]}).cast(
        port.REJECTED_COLUMNS
    )


def _target(
    file: ArchiveFile, usd_per_contract: float | None
) -> tuple[dict[str, pl.DataType], dict[str, pl.Expr | str | None]]:
    """The port's columns of this kind of file, and what fills them."""
    series, instrument = file.series, file.series.instrument
    who: dict[str, pl.Expr | str | None] = {"exchange": "binance", "symbol": instrument.symbol}
    if series.kind == "funding":
        # The interval stays NULL as in the exchange's replies, which do not say it: a settlement would otherwise
        # look revised whenever it is read the other way, and the two ways would give different marts.
        values = {"settled_at": time_column(), "funding_rate": pl.col("rate"), "interval_hours": None,
                  "mark_price": pl.col("mark_price")}  # fmt: skip
        return port.FUNDING_COLUMNS, who | values
    if series.kind == "metrics":
        amount, value = pl.col("amount"), pl.col("value")
        is_coin = instrument.market == "cm"  # there the amount is contracts, and what is called value is coins
        values = {
            "observed_at": time_column(), "source_kind": "archive",
            "open_interest_contracts": amount if is_coin else None,
            "open_interest_base": value if is_coin else amount,
            "open_interest_usd": None if is_coin else value,
        }  # fmt: skip
        return port.OPEN_INTEREST_COLUMNS, who | values
    candles = candle_values(is_traded=series.kind == "klines", usd_per_contract=usd_per_contract)
    who |= {"timeframe": series.timeframe}
    if instrument.market == "spot":
        return port.SPOT_CANDLE_COLUMNS, who | candles
    kind = {"market_type": instrument.market_type, "price_type": series.price_type}
    return port.FUTURES_CANDLE_COLUMNS, who | kind | candles
