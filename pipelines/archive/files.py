"""One file of the archive, taken in safely: its checksum, and the one table inside, never written to disk."""

import hashlib
import io
import re
import zipfile
import zlib

from pipelines.archive.errors import RefusedFile

MAX_ZIP_BYTES = 8_000_000  # a month of hourly candles has 40 kB, a day of metrics 10 kB
MAX_TABLE_BYTES = 32_000_000
MAX_CHECKSUM_BYTES = 1_000
_CHUNK = 1 << 16
_CHECKSUM = re.compile(rb"^([0-9a-fA-F]{64})[ \t]+\*?([^\s]+)\s*$")


def read_checksum(body: bytes, key: str) -> str:
    """The SHA-256 that a `.CHECKSUM` file states for the file at `key`, in lower case.

    Raises:
        RefusedFile: it is no checksum, or that of another file.
    """
    match = _CHECKSUM.match(body)
    if match is None:
        raise RefusedFile(f"{key}.CHECKSUM: holds no SHA-256 and file name; the file is left out. {_LATER}")
    named = match[2].decode("utf-8", "replace")
    if named != key.rsplit("/", 1)[-1]:
        raise RefusedFile(f"{key}.CHECKSUM: is that of {named!r}, not of this file, which is left out. {_LATER}")
    return match[1].decode().lower()


def verify(body: bytes, expected: str, key: str) -> None:
    """Compare a file with its checksum.

    Raises:
        RefusedFile: it is another file than the checksum was made of.
    """
    found = hashlib.sha256(body).hexdigest()
    if found != expected:
        raise RefusedFile(
            f"{key}: its SHA-256 is {found[:12]}..., its .CHECKSUM says {expected[:12]}...; the file is damaged or was "
            f"exchanged, and is left out. {_LATER}"
        )


def read_table(body: bytes, stem: str, key: str) -> bytes:
    """The table inside a zip file: one entry, `<stem>.csv`, unpacked in memory up to a limit.

    The sizes that a zip file states about itself are not believed; what comes out is counted.

    Raises:
        RefusedFile: not a zip file, damaged, encrypted, more than one entry, another name (a path among them), or
            larger than any file of this archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = archive.infolist()
            if len(entries) != 1:
                raise RefusedFile(f"{key}: holds {len(entries)} entries instead of one; refused. {_LATER}")
            entry = entries[0]
            # orig_filename: `filename` is cut at a NUL byte and has its separators replaced
            if entry.orig_filename != f"{stem}.csv":
                raise RefusedFile(f"{key}: holds {entry.orig_filename!r} instead of {stem}.csv; refused. {_LATER}")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise RefusedFile(f"{key}: is packed by method {entry.compress_type}; refused. {_LATER}")
            with archive.open(entry) as packed:
                return _read_up_to(packed, MAX_TABLE_BYTES, key)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        if isinstance(error, RefusedFile):
            raise
        raise RefusedFile(f"{key}: is no whole zip file ({error}); refused. {_LATER}") from None


def _read_up_to(packed: io.BufferedIOBase, most: int, key: str) -> bytes:
    parts, size = [], 0
    while part := packed.read(_CHUNK):
        size += len(part)
        if size > most:
            raise RefusedFile(f"{key}: unpacks to more than {most:,} bytes; refused as a zip bomb. {_LATER}")
        parts.append(part)
    return b"".join(parts)


_LATER = "Run the import again later; if it persists, tell Binance (github.com/binance/binance-public-data)."
