"""The archive as the local exchange serves it: from either market, the same bytes every time, listed as S3 lists."""

import asyncio
import hashlib
import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.archive.listing import read_page, walk
from pipelines.local_exchange.archive import FILES_HOST, LISTING_HOST, Archive
from pipelines.local_exchange.recorded import RecordedMarket
from pipelines.local_exchange.simulation import SimulatedMarket

NOW_MS = int(datetime(2025, 3, 10, 12, tzinfo=UTC).timestamp() * 1000)
METRICS = "data/futures/um/daily/metrics/BTCUSDT/"


@pytest.fixture(scope="module")
def simulated() -> Archive:
    return Archive(SimulatedMarket(seed=7, now_ms=NOW_MS), ("simulated", "seed 7"))


def lists(archive: Archive, **query: str):
    query = {name.replace("_", "-"): value for name, value in query.items()}
    reply = archive.answer(LISTING_HOST, "/data.binance.vision", {"delimiter": "/"} | query)
    assert (reply.status, reply.content_type) == (200, "application/xml")
    return read_page(reply.body, "x")


def table(archive: Archive, key: str) -> list[str]:
    reply = archive.answer(FILES_HOST, f"/{key}", {})
    assert reply.status == 200, key
    with zipfile.ZipFile(io.BytesIO(reply.body)) as packed:
        name = key.rsplit("/", 1)[-1].replace(".zip", ".csv")
        assert packed.namelist() == [name]
        return packed.read(name).decode().splitlines()


def test_folders_are_listed_level_by_level(simulated):
    assert lists(simulated, prefix="").names == ("data/",)
    assert lists(simulated, prefix="data/").names == ("data/futures/", "data/spot/")
    assert lists(simulated, prefix="data/futures/cm/monthly/").names == tuple(
        f"data/futures/cm/monthly/{kind}/" for kind in ("fundingRate", "indexPriceKlines", "klines", "markPriceKlines")
    )
    assert f"{METRICS}" in lists(simulated, prefix="data/futures/um/daily/metrics/").names
    assert (
        "data/futures/cm/monthly/indexPriceKlines/BTCUSD/"
        in lists(simulated, prefix="data/futures/cm/monthly/indexPriceKlines/").names
    )


def test_pages_follow_one_another_without_a_gap(simulated):
    class Local:
        async def page(self, prefix, marker, most):
            return lists(simulated, prefix=prefix, marker=marker, max_keys=str(most))

    async def names(most):
        return [name async for name in walk(Local(), METRICS, f"{METRICS}BTCUSDT-metrics-2025-02-25", None, most)]

    days = [date(2025, 2, 25) + timedelta(days=number) for number in range(13)]  # the day of NOW is not over
    files = [f"{METRICS}BTCUSDT-metrics-{day}.zip{end}" for day in days for end in ("", ".CHECKSUM")]
    assert asyncio.run(names(1000)) == asyncio.run(names(5)) == files


def test_a_checksum_is_that_of_the_file_and_every_answer_is_the_same(simulated):
    key = f"{METRICS}BTCUSDT-metrics-2025-03-01.zip"
    body = simulated.answer(FILES_HOST, f"/{key}", {}).body
    checksum = simulated.answer(FILES_HOST, f"/{key}.CHECKSUM", {}).body.decode()
    assert checksum == f"{hashlib.sha256(body).hexdigest()}  BTCUSDT-metrics-2025-03-01.zip\n"
    again = Archive(SimulatedMarket(seed=7, now_ms=NOW_MS), ("simulated", "seed 7"))
    assert again.answer(FILES_HOST, f"/{key}", {}).body == body
    later = Archive(SimulatedMarket(seed=7, now_ms=NOW_MS + 86_400_000), ("simulated", "seed 7"))
    assert later.answer(FILES_HOST, f"/{key}", {}).body == body


def test_tables_look_like_the_archives_own(simulated):
    metrics = table(simulated, f"{METRICS}BTCUSDT-metrics-2025-03-01.zip")
    assert metrics[0].startswith("create_time,symbol,sum_open_interest,sum_open_interest_value,")
    assert (len(metrics), metrics[1][:19], metrics[-1][:19]) == (289, "2025-03-01 00:05:00", "2025-03-02 00:00:00")
    coins = table(simulated, "data/futures/cm/daily/metrics/BTCUSD_PERP/BTCUSD_PERP-metrics-2025-03-01.zip")
    assert (len(coins), coins[1][:19], coins[-1][:19]) == (289, "2025-03-01 00:00:00", "2025-03-01 23:55:00")
    funding = table(simulated, "data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2025-02.zip")
    assert (funding[0], len(funding)) == ("calc_time,funding_interval_hours,last_funding_rate", 1 + 3 * 28)
    spot = {
        month: table(simulated, f"data/spot/monthly/klines/BTCUSDT/1d/BTCUSDT-1d-{month}.zip")[0].split(",")[0]
        for month in ("2024-12", "2025-01")
    }
    assert spot == {"2024-12": "1733011200000", "2025-01": "1735689600000000"}
    futures = table(simulated, "data/futures/um/monthly/klines/BTCUSDT/1d/BTCUSDT-1d-2025-01.zip")
    assert futures[0].startswith("open_time,open,high,low,close,volume,close_time,quote_volume,")
    assert futures[1].split(",")[0] == "1735689600000"


@pytest.mark.parametrize(
    "path",
    ["/data/x", "/", f"/{METRICS}BTCUSDT-metrics-2025-03-10.zip", f"/{METRICS}BTCUSDT-metrics-2025-03-01.csv",
     f"/{METRICS}../BTCUSDT-metrics-2025-03-01.zip", "/data/futures/um/daily/fundingRate/BTCUSDT/x.zip"],
)  # fmt: skip
def test_what_is_not_there_is_s3s_404(simulated, path):
    reply = simulated.answer(FILES_HOST, path, {})
    assert (reply.status, b"NoSuchKey" in reply.body) == (404, True)


def test_every_answer_says_that_this_is_not_the_real_archive(simulated):
    for host, path in ((FILES_HOST, "/x"), (LISTING_HOST, "/data.binance.vision")):
        told = json.loads(simulated.answer(host, path, {"prefix": "data/"}).headers["X-Local-Exchange-Market"])
        assert told == {"source": "simulated", "detail": "seed 7"}


def test_recorded_open_interest_is_held_between_neighbours_and_never_across_a_hole(tmp_path: Path):
    """Daily rows at midnight, the one of 4 March missing: of the 3rd only its first instant is known, nothing after."""
    days = [datetime(2025, 3, day) for day in (1, 2, 3, 5, 6)]
    pl.DataFrame(
        {"exchange": "binance", "symbol": "BTC/USDT:USDT", "ts": days, "oi_base": [1.0, 2.0, 3.0, 5.0, 6.0],
         "oi_usd": None, "period": "1d", "ts_semantics": "snapshot"},
        schema_overrides={"oi_usd": pl.Float64},
    ).write_parquet(tmp_path / "open_interest.parquet")  # fmt: skip
    archive = Archive(RecordedMarket(tmp_path, NOW_MS), ("recorded", "x"))
    rows = {}
    for name in lists(archive, prefix=METRICS).names[::2]:
        rows[name[-14:-4]] = [line.split(",")[2] for line in table(archive, name)[1:]]
    assert rows == {
        "2025-02-28": ["1.0"],
        "2025-03-01": ["1.0"] * 287 + ["2.0"],
        "2025-03-02": ["2.0"] * 287 + ["3.0"],
        "2025-03-04": ["5.0"],
        "2025-03-05": ["5.0"] * 287 + ["6.0"],
    }
    assert table(archive, f"{METRICS}BTCUSDT-metrics-2025-03-05.zip")[-1].endswith("BTCUSDT,6.0,,,,,")
