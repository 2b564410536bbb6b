"""Names, lists of files, and which files a window needs."""

import asyncio
from datetime import date

import pytest

from pipelines.archive.errors import ArchiveError
from pipelines.archive.listing import MAX_PAGE_BYTES, Page, read_page, walk
from pipelines.archive.names import ArchiveFile, Instrument, Series, read_asked, read_name, usd_per_contract
from pipelines.archive.plan import choose, find_instruments, list_series, plan_files

SPOT = Series(Instrument("spot", "BTCUSDT", "BTC/USDT", "BTC", "spot"), "klines", "1d")
JANUARY = [date(2025, 1, day) for day in range(1, 32)]


@pytest.mark.parametrize(
    ("market", "name", "symbol", "market_type"),
    [
        ("spot", "BTCUSDT", "BTC/USDT", "spot"),
        ("spot", "ETHBTC", "ETH/BTC", "spot"),
        ("um", "BTCUSDT", "BTC/USDT:USDT", "perpetual"),
        ("um", "1000PEPEUSDT", "1000PEPE/USDT:USDT", "perpetual"),
        ("um", "BTCUSDC", "BTC/USDC:USDC", "perpetual"),
        ("um", "BTCUSDT_250328", "BTC/USDT:USDT-250328", "dated"),
        ("cm", "BTCUSD_PERP", "BTC/USD:BTC", "perpetual"),
        ("cm", "ETHUSD_250328", "ETH/USD:ETH-250328", "dated"),
    ],
)
def test_a_name_in_the_archive_is_ccxts_symbol_and_back(market, name, symbol, market_type):
    found = read_name(market, name)
    assert (found.symbol, found.market_type) == (symbol, market_type)
    assert read_asked(symbol) == [found]


@pytest.mark.parametrize(
    ("market", "name"),
    [("um", "../BTCUSDT"), ("um", "BTC/USDT"), ("um", "USDT"), ("cm", "BTCUSD"), ("spot", "BTCUSDT_250328"),
     ("um", "BTCUSD_PERP"), ("um", "BTCUSDT_SETTLED1"), ("spot", ""), ("spot", "..")],
)  # fmt: skip
def test_a_name_that_is_none_stands_for_nothing(market, name):
    assert read_name(market, name) is None


def test_people_may_write_a_coin_or_the_archives_own_name():
    assert [one.symbol for one in read_asked("btc")] == ["BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"]
    assert [one.symbol for one in read_asked("BTCUSDT")] == ["BTC/USDT", "BTC/USDT:USDT"]
    assert [one.symbol for one in read_asked("BTCUSD_PERP")] == ["BTC/USD:BTC"]


@pytest.mark.parametrize("text", ["../etc", "BTC/USDT:ETH", "BTC/USD:USD", "BTC-USDT", "a b", "BTC/USDT:BTC", "/"])
def test_what_names_no_instrument_is_refused_with_examples(text):
    with pytest.raises(ArchiveError, match=r"BTC/USDT:USDT"):
        read_asked(text)


def test_a_contract_on_btc_is_100_dollars_and_10_on_every_other_coin():
    worth = [usd_per_contract(read_name("cm", name)) for name in ("BTCUSD_PERP", "ETHUSD_PERP")]
    assert [*worth, usd_per_contract(read_name("um", "BTCUSDT"))] == [100.0, 10.0, None]


def test_files_stand_where_the_archive_keeps_them():
    um, cm = read_name("um", "BTCUSDT"), read_name("cm", "BTCUSD_PERP")
    day = date(2025, 1, 31)
    keys = [
        ArchiveFile(SPOT, "daily", day).key,
        ArchiveFile(Series(um, "metrics", "5m"), "daily", day).key,
        ArchiveFile(Series(cm, "index", "1d"), "monthly", date(2025, 1, 1)).key,
        ArchiveFile(Series(cm, "funding", None), "monthly", date(2025, 1, 1)).key,
    ]
    assert keys == [
        "data/spot/daily/klines/BTCUSDT/1d/BTCUSDT-1d-2025-01-31.zip",
        "data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2025-01-31.zip",
        "data/futures/cm/monthly/indexPriceKlines/BTCUSD/1d/BTCUSD-1d-2025-01.zip",
        "data/futures/cm/monthly/fundingRate/BTCUSD_PERP/BTCUSD_PERP-fundingRate-2025-01.zip",
    ]


def chosen(first, last, monthly=(), daily=()):
    files, missing = choose(SPOT, {"monthly": frozenset(monthly), "daily": frozenset(daily)}, first, last)
    return [(file.cycle, file.start) for file in files], missing


def test_a_whole_month_is_one_file_and_a_part_of_one_is_days():
    first, last = date(2025, 1, 1), date(2025, 2, 2)
    months = [date(2025, 1, 1), date(2025, 2, 1)]
    days = [*JANUARY, date(2025, 2, 1), date(2025, 2, 2)]
    assert chosen(first, last, months, days) == (
        [("monthly", date(2025, 1, 1)), ("daily", date(2025, 2, 1)), ("daily", date(2025, 2, 2))], ()
    )  # fmt: skip


def test_a_part_of_a_month_without_all_of_its_days_is_the_months_file():
    first, last = date(2025, 1, 10), date(2025, 1, 12)
    assert chosen(first, last, [date(2025, 1, 1)], [first]) == ([("monthly", date(2025, 1, 1))], ())


def test_a_month_without_its_file_is_days_and_the_days_without_are_named():
    assert chosen(date(2025, 1, 1), date(2025, 1, 31), (), JANUARY[2:]) == (
        [("daily", day) for day in JANUARY[2:]], (date(2025, 1, 1), date(2025, 1, 2))
    )  # fmt: skip


XML = (
    '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>{more}'
    "</IsTruncated>{next}<Contents><Key>data/b.zip</Key><Size>1</Size></Contents><CommonPrefixes><Prefix>data/a/"
    "</Prefix></CommonPrefixes></ListBucketResult>"
)


def test_a_page_holds_files_and_folders_and_says_where_the_next_one_begins():
    names = ("data/a/", "data/b.zip")
    assert read_page(XML.format(more="false", next="").encode(), "x") == Page(names, None)
    next_marker = "<NextMarker>data/b.zip.CHECKSUM</NextMarker>"
    assert read_page(XML.format(more="true", next=next_marker).encode(), "x").next_marker == "data/b.zip.CHECKSUM"
    assert read_page(XML.format(more="true", next="").encode(), "x").next_marker == "data/b.zip"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<!DOCTYPE html><html></html>", "document type"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>', "document type"),
        (b"<html><body>down</body></html>", "<html>, no list of files"),
        (b"<ListBucketResult>", "no list of files"),
        (b"", "no list of files"),
        (b" " * (MAX_PAGE_BYTES + 1), "bytes; refused"),
    ],
)
def test_an_answer_that_is_no_list_is_refused(body, why):
    with pytest.raises(ArchiveError, match=why):
        read_page(body, "x")


class Pages:
    """A list of files in pages of two."""

    def __init__(self, names, loops=False):
        self.names, self.loops, self.asked = sorted(names), loops, []

    async def page(self, prefix, marker, most):
        self.asked.append(marker)
        left = [name for name in self.names if name > marker] if not self.loops else self.names
        page = tuple(left[:2])
        return Page(page, page[-1] if len(left) > 2 else None)


def walked(pages, **window):
    async def collect():
        return [name async for name in walk(pages, "data/", **window)]

    return asyncio.run(collect())


def test_a_long_list_is_read_page_by_page_and_only_as_far_as_it_is_wanted():
    pages = Pages([f"data/{letter}" for letter in "abcdefg"])
    assert walked(pages) == pages.names
    assert walked(pages, after="data/b", until="data/d") == ["data/c", "data/d"]
    assert pages.asked[-2:] == ["data/b", "data/d"]


def test_a_list_that_leads_back_is_given_up():
    with pytest.raises(ArchiveError, match="leads back"):
        walked(Pages(["data/a", "data/b", "data/c"], loops=True))


def test_the_universe_is_what_the_archive_lists_of_the_coins_that_are_wanted():
    listed = {
        "data/spot/monthly/klines/": ["BTCUSDT", "BTCEUR", "XYZUSDT"],
        "data/spot/daily/klines/": ["NEWUSDT"],
        "data/futures/um/monthly/klines/": ["BTCUSDT", "BTCUSDC", "BTCUSDT_250328", "NEWUSDT_250328"],
        "data/futures/cm/monthly/klines/": ["BTCUSD_PERP", "BTCUSD_250328"],
    }

    class Listed:
        async def page(self, prefix, marker, most):
            return Page(tuple(f"{prefix}{name}/" for name in listed.get(prefix, [])), None)

    found = asyncio.run(find_instruments(Listed(), ["BTC", "NEW"], ["BTC"]))
    assert [one.symbol for one in found] == [
        "BTC/USDT", "NEW/USDT", "BTC/USDT:USDT", "BTC/USDT:USDT-250328", "BTC/USD:BTC"
    ]  # fmt: skip


def test_spot_and_dated_contracts_have_candles_of_traded_prices_only():
    instruments = [*read_asked("BTC"), *read_asked("BTC/USDT:USDT-250328")]
    series = list_series(instruments, ["funding", "metrics", "klines", "mark", "index"], "1d")
    kinds = {one.symbol: [each.kind for each in series if each.instrument == one] for one in instruments}
    assert kinds["BTC/USDT"] == kinds["BTC/USDT:USDT-250328"] == ["klines"]
    assert kinds["BTC/USDT:USDT"] == kinds["BTC/USD:BTC"] == ["funding", "metrics", "klines", "mark", "index"]


def test_files_are_planned_by_kind_and_time_so_that_neighbours_are_written_one_after_the_other(archive):
    from pipelines.archive.tree import FolderTree

    first, last = date(2024, 2, 16), date(2024, 2, 17)
    for day in (first, last):
        archive.put_metrics(day, archive.metrics_rows(day))
        archive.put_table(f"data/futures/um/daily/klines/BTCUSDT/1d/BTCUSDT-1d-{day}.zip", ["1"])
    series = list_series(read_asked("BTC/USDT:USDT"), ["metrics", "klines"], "1d")
    told = []
    plan = asyncio.run(plan_files(FolderTree(archive.root), series, first, last, 4, lambda *far: told.append(far)))
    assert [(file.series.kind, file.start) for file in plan.files] == [
        ("klines", first), ("klines", last), ("metrics", first), ("metrics", last)
    ]  # fmt: skip
    assert plan.missing == {} and told[-1] == (2, 2)
