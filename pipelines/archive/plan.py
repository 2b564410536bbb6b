"""Which files a window needs: found in the archive's own list, months where they do, days where they must.

A month that is wanted whole, or of which a day's file is missing, is taken from its monthly file; the rest from daily
ones. Files are read whole, so the first and the last one may reach beyond the window.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.archive.listing import PAGE_KEYS, walk
from pipelines.archive.names import (
    KINDS,
    MARKETS,
    METRICS_PERIOD,
    ArchiveFile,
    Cycle,
    Instrument,
    Kind,
    Series,
    markets_folder,
    next_month,
    read_name,
)
from pipelines.archive.tree import Tree

_ORDER: tuple[Kind, ...] = ("klines", "mark", "index", "funding", "metrics")


@dataclass(frozen=True)
class Plan:
    """What to read, in the order in which it is written, and what the archive does not have.

    Attributes:
        files: Ordered by kind, first day and series: two files of one series never stand side by side in time.
        missing: Series to the days of the window that no file covers; a month's file counts for all of its days.
    """

    files: tuple[ArchiveFile, ...]
    missing: dict[Series, tuple[date, ...]]


async def find_instruments(tree: Tree, bases: Iterable[str], dated_bases: Iterable[str]) -> list[Instrument]:
    """What the archive has of some coins: spot and perpetuals against USDT, perpetuals margined in the coin itself.

    Args:
        tree: The archive.
        bases: Base coins as Binance spells them (`BTC`, `1000PEPE`).
        dated_bases: Base coins whose dated contracts against USDT are wanted too.
    """
    wanted, dated = frozenset(bases), frozenset(dated_bases)
    found: dict[tuple[str, str], Instrument] = {}
    for market in MARKETS:
        for cycle in ("monthly", "daily"):  # what was listed this month has daily files only
            folder = markets_folder(market, cycle)
            async for name in walk(tree, folder):
                instrument = read_name(market, name.removeprefix(folder).rstrip("/"))
                if instrument is not None and _is_wanted(instrument, wanted, dated):
                    found[market, instrument.name] = instrument
    return list(found.values())


def _is_wanted(instrument: Instrument, bases: frozenset[str], dated_bases: frozenset[str]) -> bool:
    quote = "USD" if instrument.market == "cm" else "USDT"
    if instrument.base not in bases or instrument.symbol.partition("/")[2].split(":")[0] != quote:
        return False
    is_dated = instrument.market_type == "dated"
    return not is_dated or (instrument.market == "um" and instrument.base in dated_bases)


def list_series(instruments: Iterable[Instrument], kinds: Sequence[Kind], timeframe: str) -> list[Series]:
    """The series of some instruments: spot and dated contracts have candles of traded prices only."""
    series = []
    for kind in (kind for kind in KINDS if kind in kinds):
        period = None if kind == "funding" else METRICS_PERIOD if kind == "metrics" else timeframe
        series += [
            Series(instrument, kind, period)
            for instrument in instruments
            if kind == "klines" or instrument.market_type == "perpetual"
        ]
    return series


async def plan_files(
    tree: Tree, series: Sequence[Series], first: date, last: date, concurrency: int, tell: Callable[[int, int], None]
) -> Plan:
    """Look up which files of `first` to `last` (both included) there are.

    Args:
        tree: The archive.
        series: What is wanted.
        first: First UTC day.
        last: Last UTC day.
        concurrency: Lists that are asked for at the same time.
        tell: Told how many series are looked up, and of how many.
    """
    places, done = asyncio.Semaphore(concurrency), 0

    async def look_up(one: Series) -> tuple[list[ArchiveFile], tuple[date, ...]]:
        nonlocal done
        async with places:
            have = {cycle: await _listed(tree, one, cycle, first, last) for cycle in one.cycles}
        done += 1
        tell(done, len(series))
        return choose(one, have, first, last)

    tasks = [asyncio.create_task(look_up(one)) for one in series]
    try:
        answers = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    rank = {one: number for number, one in enumerate(series)}
    files = [file for chosen, _ in answers for file in chosen]
    files.sort(key=lambda file: (_ORDER.index(file.series.kind), file.start, rank[file.series]))
    missing = {one: days for one, (_, days) in zip(series, answers, strict=True) if days}
    return Plan(tuple(files), missing)


def choose(
    series: Series, have: dict[Cycle, frozenset[date]], first: date, last: date
) -> tuple[list[ArchiveFile], tuple[date, ...]]:
    """The files that cover the window, and its days that none covers."""
    files: list[ArchiveFile] = []
    missing: list[date] = []
    month = first.replace(day=1)
    while month <= last:
        after = next_month(month)
        days = _days(max(month, first), min(after - timedelta(days=1), last))
        daily = have.get("daily", frozenset())
        is_whole = len(days) == (after - month).days
        if month in have.get("monthly", frozenset()) and (is_whole or not daily.issuperset(days)):
            files.append(ArchiveFile(series, "monthly", month))
        else:
            files += [ArchiveFile(series, "daily", day) for day in days if day in daily]
            missing += [day for day in days if day not in daily]
        month = after
    return files, tuple(missing)


async def _listed(tree: Tree, series: Series, cycle: Cycle, first: date, last: date) -> frozenset[date]:
    """First days of the files that the archive lists."""
    folder = series.folder(cycle)
    starts = _days(first, last) if cycle == "daily" else sorted({day.replace(day=1) for day in _days(first, last)})
    keys = {f"{folder}{series.stem(cycle, start)}.zip": start for start in starts}
    names = list(keys)
    most = min(PAGE_KEYS, 2 * len(names) + 2)  # every file has its checksum beside it
    listed = walk(tree, folder, names[0].removesuffix(".zip"), names[-1], most)
    return frozenset([keys[name] async for name in listed if name in keys])


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
