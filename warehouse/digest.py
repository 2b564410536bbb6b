"""The input hash: one number that names every raw fact a decision could read.

A decision for day T reads the rows with `available_at <= T+1 00:15` and, per natural key, the newest revision
with `ingested_at <= K`. The hash of T is a chain over the days up to T, each with the digests of the facts that
became readable that day, in key order. Equal facts give equal hashes whatever the batches, the loading times and
the order of loading; `ingested_at`, `batch_id`, `source` and `pit_quality` are not part of it.

Digests are kept per event day in `quality.input_digests`. A natural key contains its event time, so every
revision of a fact lies in the same event day, and facts are only ever added: an event day whose number of rows
and newest `ingested_at` (both up to K) are those of its stored digest has not changed. A nightly hash therefore
counts all rows but reads only the days that were touched.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from warehouse.connection import Connection, transaction
from warehouse.contracts import DOUBLE, FACTS, INPUT_DIGESTS, LINEAGE, TEXT, Table
from warehouse.frames import conform, empty_frame, insert

_BEFORE_ALL_DAYS = datetime(1970, 1, 1)
DECISION_DELAY = timedelta(days=1, minutes=15)  # the decision for day T is taken at T+1 00:15 UTC
_ROWS_AT_A_TIME = 500_000
_SEPARATOR = "\x1f"


def input_hashes(con: Connection, first_day: date, last_day: date, knowledge_time: datetime) -> dict[date, str]:
    """SHA-256 of everything each decision day could read, in hexadecimal.

    Args:
        con: The build file; digests that are missing or out of date are computed and stored.
        first_day: First decision day T, inclusive.
        last_day: Last decision day, inclusive.
        knowledge_time: K (UTC); facts ingested later are left out.

    Returns:
        Day to hash, for every calendar day from `first_day` to `last_day`. Facts of an earlier day that change
        change the hashes of all later days.
    """
    known_until = _naive_utc(knowledge_time)
    entries = pl.concat([_table_digests(con, table, known_until) for table in FACTS])
    by_day: dict[date, list[str]] = {}
    for day, name, event_date, rows, digest in (
        entries.sort("decision_date", "table_name", "event_date")
        .select("decision_date", "table_name", "event_date", "row_count", "digest")
        .iter_rows()
    ):
        by_day.setdefault(day, []).append(f"{name} {event_date} {rows} {digest}")
    chain = hashlib.sha256(b"rotation input hash, version 2").hexdigest()
    hashes: dict[date, str] = {}
    for day in _days(min([first_day, *by_day]), last_day):
        link = "\n".join([chain, str(day), *by_day.get(day, [])])
        chain = hashlib.sha256(link.encode()).hexdigest()
        if day >= first_day:
            hashes[day] = chain
    return hashes


def _table_digests(con: Connection, table: Table, known_until: datetime) -> pl.DataFrame:
    """The current digests of one table as known at `known_until`; computes and stores the missing ones."""
    event_date = _event_date_sql(table)
    current = con.execute(
        f"""
        select {event_date} as event_date, count(*) as stored_rows, max(ingested_at) as newest_ingested_at
        from {table.qualified_name}
        where ingested_at <= $known_until
        group by all
        having count(*) > 0
        """,
        {"known_until": known_until},
    ).pl()
    if current.is_empty():
        return empty_frame(INPUT_DIGESTS)
    cached = con.execute(
        f"select * from {INPUT_DIGESTS.qualified_name} where table_name = $name and layout = $layout",
        {"name": table.name, "layout": _layout(table)},
    ).pl()
    version = ["event_date", "stored_rows", "newest_ingested_at"]
    valid = cached.join(current, on=version, how="semi")
    stale = current.join(cached, on=version, how="anti").sort("event_date")
    computed = [
        _digest_days(con, table, days, known_until).join(stale.select(version), on="event_date")
        for days in _portions(stale)
    ]
    if not computed:
        return valid
    fresh = conform(INPUT_DIGESTS, *computed)
    _store(con, table, fresh, cached)
    return pl.concat([valid, fresh])


def _store(con: Connection, table: Table, fresh: pl.DataFrame, cached: pl.DataFrame) -> None:
    """Keep the digests that know most: a look back at an earlier K must not push out tonight's."""
    known = cached.group_by("event_date").agg(pl.col("stored_rows").max().alias("known_rows"))
    newer = fresh.join(known, on="event_date", how="left").filter(
        pl.col("known_rows").is_null() | (pl.col("stored_rows") > pl.col("known_rows"))
    )
    with transaction(con):
        con.execute(
            f"delete from {INPUT_DIGESTS.qualified_name} "
            "where table_name = $name and event_date in (select unnest($days))",
            {"name": table.name, "days": newer["event_date"].unique().to_list()},
        )
        insert(con, INPUT_DIGESTS, newer.drop("known_rows"))


def _digest_days(con: Connection, table: Table, days: list[date], known_until: datetime) -> pl.DataFrame:
    """Digests of some event days: table_name, event_date, decision_date, row_count, digest."""
    event = table.event_column
    window = "true" if event is None else f"{event} >= $first and {event} < $last"
    parameters: dict[str, object] = {"known_until": known_until, "days": days}
    if event is not None:
        parameters |= {"first": days[0], "last": days[-1] + timedelta(days=1)}
    facts = _fact_columns(table)
    labels = [name for name in facts if table.columns[name] == TEXT]
    frame = con.execute(
        f"""
        select {", ".join(facts)}, available_at, ingested_at, {_event_date_sql(table)} as event_date
        from {table.qualified_name}
        where ingested_at <= $known_until and {window} and event_date in (select unnest($days))
        """,
        parameters,
    ).pl()
    key_labels = [name for name in labels if name in table.natural_key]
    order = ["series", *([] if event is None else [event])]
    named = frame.select(
        "event_date", "available_at", "ingested_at", *(name for name in facts if name not in labels),
        series=_joined(frame, key_labels), labels=_joined(frame, labels),
    )  # fmt: skip
    ordered = named.sort(*order, "ingested_at")
    is_newest = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in order)
    newest = ordered.filter(is_newest)
    # The first T whose instant T+1 00:15 is not before available_at. What has no event of its own (the exchange's
    # list of instruments) is read whole by every decision, so it belongs to all of them.
    readable = (
        pl.lit(_BEFORE_ALL_DAYS)
        if event is None
        else pl.col("available_at") - (DECISION_DELAY - timedelta(days=1)) - pl.duration(microseconds=1)
    )
    dated = newest.with_columns(decision_date=readable.dt.date()).sort(
        "event_date", "decision_date", maintain_order=True
    )
    return _digest_groups(dated, table, [name for name in facts if name not in labels])


def _joined(frame: pl.DataFrame, labels: list[str]) -> pl.Series:
    """The text columns as one, which sorts as text at the cost of integers; NULL and "" stay different."""
    text = frame.select(pl.concat_str(pl.col(labels).fill_null("\x00"), separator=_SEPARATOR)).to_series()
    return text.cast(pl.Enum(text.unique().sort()))


def _digest_groups(frame: pl.DataFrame, table: Table, numbers: list[str]) -> pl.DataFrame:
    """One digest per run of equal (event_date, decision_date) in a sorted frame, taken column by column."""
    groups = frame.group_by("event_date", "decision_date", maintain_order=True).len("row_count")
    columns = [
        array
        for name in numbers
        for array in (frame[name].is_null().to_numpy(), _exact(frame[name], table.columns[name]))
    ]
    digests: list[str] = []
    start = 0
    for rows in groups["row_count"]:
        digest = hashlib.sha256(_layout(table).encode())
        runs = frame["labels"].slice(start, rows).rle().struct.unnest()
        for value, length in zip(runs["value"], runs["len"], strict=True):
            digest.update(f"\n{length} {value}".encode())
        for array in columns:
            digest.update(array[start : start + rows].tobytes())
        digests.append(digest.hexdigest())
        start += rows
    return groups.with_columns(
        table_name=pl.lit(table.name), layout=pl.lit(_layout(table)), digest=pl.Series(digests, dtype=pl.String)
    )


def _exact(column: pl.Series, kind: str) -> np.ndarray:
    """A column as fixed-width numbers: the bits of a double (-0.0 is 0.0), microseconds of a timestamp."""
    if kind == DOUBLE:
        return column.fill_null(0.0).to_numpy() + 0.0
    return column.to_physical().cast(pl.Int64).fill_null(0).to_numpy()


def _portions(stale: pl.DataFrame) -> Iterator[list[date]]:
    """Event days in order, grouped so that no group holds many more rows than fit in memory at ease."""
    days: list[date] = []
    held = 0
    for day, rows in stale.select("event_date", "stored_rows").iter_rows():
        if days and held + rows > _ROWS_AT_A_TIME:
            yield days
            days, held = [], 0
        days.append(day)
        held += rows
    if days:
        yield days


def _fact_columns(table: Table) -> list[str]:
    return [name for name in table.columns if name not in LINEAGE]


def _layout(table: Table) -> str:
    return " ".join(_fact_columns(table))


def _event_date_sql(table: Table) -> str:
    return "date '1970-01-01'" if table.event_column is None else f"cast({table.event_column} as date)"


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _naive_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
