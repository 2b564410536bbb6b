"""What a file must not do to its reader: every trick is refused, named, and nothing of the file is stored."""

import hashlib
import struct
import zlib
from datetime import date, timedelta

import pytest

from pipelines.archive import files
from pipelines.archive.errors import RefusedFile
from pipelines.archive.files import read_checksum, read_table, verify

DAY = date(2024, 2, 16)
KEY = "data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-02-16.zip"
STEM = "BTCUSDT-metrics-2024-02-16"
TABLE = b"create_time,symbol,sum_open_interest,sum_open_interest_value\n"


@pytest.fixture
def refused(archive, import_days, query):
    """Imports a day before and the day with this file; gives why it was refused."""

    def refused(packed: bytes, checksum: str | bytes | None = "right") -> str:
        before = DAY - timedelta(days=1)
        archive.put_metrics(before, archive.metrics_rows(before))
        archive.put(KEY, packed, checksum)
        report = import_days(before, DAY, kinds=("metrics",)).report
        assert (report.read, len(report.refused), report.unreachable) == (1, 1, None)
        assert query("select count(*), max(observed_at)::date from raw.open_interest").row(0) == (288, before)
        logged = "select status, error, payload_sha256, rows_written from raw.load_batches where status <> 'ok'"
        assert query(logged).rows() == [("failed", report.refused[0], None, 0)]
        return report.refused[0]

    return refused


@pytest.fixture
def good(archive) -> bytes:
    return archive.pack((f"{STEM}.csv", TABLE + "\n".join(archive.metrics_rows(DAY)).encode()))


def test_a_wrong_checksum_is_refused(refused, good):
    assert "its .CHECKSUM says 000000000000..." in refused(good, f"{'0' * 64}  {STEM}.zip\n")


def test_a_missing_checksum_is_refused(refused, good):
    assert "has no .CHECKSUM" in refused(good, None)


@pytest.mark.parametrize("text", ["", "<html>", f"{'g' * 64}  {STEM}.zip", f"{'0' * 63}  {STEM}.zip", b"\xff" * 70])
def test_a_checksum_that_is_none_is_refused(refused, good, text):
    assert "holds no SHA-256" in refused(good, text)


def test_the_checksum_of_another_file_is_refused(refused, good):
    text = f"{hashlib.sha256(good).hexdigest()}  ETHUSDT-metrics-2024-02-16.zip\n"
    assert "'ETHUSDT-metrics-2024-02-16.zip', not of this file" in refused(good, text)


def test_a_zip_bomb_is_refused_before_it_is_unpacked_whole(refused, archive, monkeypatch):
    monkeypatch.setattr(files, "MAX_TABLE_BYTES", 1_000_000)
    bomb = archive.pack((f"{STEM}.csv", b"0" * 50_000_000))
    assert len(bomb) < 100_000
    assert "refused as a zip bomb" in refused(bomb)


def test_a_zip_bomb_that_lies_about_its_size_is_refused(archive, monkeypatch):
    """The size in the headers says one byte; what comes out is counted, or the file is called damaged."""
    monkeypatch.setattr(files, "MAX_TABLE_BYTES", 100_000)
    bomb = archive.pack((f"{STEM}.csv", b"0" * 3_000_000))
    lying = bomb.replace(struct.pack("<L", 3_000_000), struct.pack("<L", 1))
    assert lying != bomb
    with pytest.raises(RefusedFile):
        read_table(lying, STEM, KEY)


@pytest.mark.parametrize(
    "name",
    ["../evil.csv", "/etc/passwd", f"../{STEM}.csv", f"/{STEM}.csv", f"a/{STEM}.csv", f"a\\{STEM}.csv",
     f"{STEM}.csv\x00.exe", "ETHUSDT-metrics-2024-02-16.csv", f"{STEM}.csv/", "C:evil.csv"],
)  # fmt: skip
def test_an_entry_with_another_name_or_a_path_is_refused(refused, archive, name, tmp_path):
    assert f"instead of {STEM}.csv; refused" in refused(
        archive.pack((name.replace("\x00", "~"), b"x")).replace(b"~", b"\x00")  # a writer would cut the name there
    )
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("entries", [0, 2])
def test_a_zip_file_with_no_or_several_entries_is_refused(refused, archive, entries):
    packed = archive.pack(*[(f"{STEM}.csv", TABLE), ("more.csv", b"x")][:entries])
    assert f"holds {entries} entries instead of one" in refused(packed)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_zip_file_is_refused(refused, good, keep):
    assert "is no whole zip file" in refused(good[: int(len(good) * keep)])


def test_a_zip_file_with_a_flipped_bit_in_its_table_is_refused(refused, good):
    spoilt = bytearray(good)
    spoilt[len(spoilt) // 2] ^= 0x10
    assert "is no whole zip file" in refused(bytes(spoilt))


def test_an_encrypted_entry_is_refused(archive, good):
    place = good.index(b"PK\x01\x02") + 8
    locked = good[:6] + b"\x01\x00" + good[8:place] + b"\x01\x00" + good[place + 2 :]
    with pytest.raises(RefusedFile, match="is encrypted"):
        read_table(locked, STEM, KEY)


def test_an_uncommon_packing_is_refused(good):
    place = good.index(b"PK\x01\x02") + 10
    packed = good[:place] + struct.pack("<H", 14) + good[place + 2 :]  # LZMA
    with pytest.raises(RefusedFile, match="is packed by method 14"):
        read_table(packed, STEM, KEY)


def test_a_file_beyond_the_limit_is_not_taken_in(refused, good, monkeypatch):
    monkeypatch.setattr("pipelines.archive.importer.MAX_ZIP_BYTES", 2 * len(good))
    packed = good + b"\x00" * (2 * len(good))
    assert f"more than {2 * len(good):,} bytes; refused" in refused(packed)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (TABLE + b"2024-02-16 00:00:00,BTC\xffUSDT,1,2\n", "is not UTF-8"),
        (b"", "holds no rows"),
        (TABLE, "holds no rows"),
        (b"<html><body>maintenance</body></html>\n", "lacks the columns create_time, sum_open_interest"),
        (b"create_time,symbol,amount\n2024-02-16 00:00:00,BTCUSDT,1\n", "lacks the columns sum_open_interest"),
        (b"\x00\x01\x02\n", "lacks the columns"),
    ],
)
def test_a_table_that_is_none_is_refused(refused, archive, table, why):
    assert why in refused(archive.pack((f"{STEM}.csv", table)))


def test_a_pipe_in_the_place_of_a_file_is_refused(archive, import_days, good):
    import os

    archive.put(KEY, good)
    (archive.root / KEY).unlink()
    os.mkfifo(archive.root / KEY)
    assert "is no plain file" in import_days(DAY, DAY, kinds=("metrics",)).report.refused[0]


def test_a_good_file_passes_all_of_it(good):
    sha256 = read_checksum(f"{hashlib.sha256(good).hexdigest().upper()} *{STEM}.zip\r\n".encode(), KEY)
    verify(good, sha256, KEY)
    assert zlib.crc32(read_table(good, STEM, KEY)) and read_table(good, STEM, KEY).startswith(TABLE)
