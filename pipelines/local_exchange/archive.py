"""Binance's public archive as the local exchange serves it: the list of files, the files and their checksums.

Source: the vendor's description of the archive (github.com/binance/binance-public-data) and S3's of its lists. Files
are made when they are asked for, the same bytes every time; a day's file is there once the day has ended.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from xml.sax.saxutils import escape

from pipelines.clock import from_milliseconds
from pipelines.local_exchange.archive_files import TIMEFRAMES, Folder, days_with_rows, month_of, table
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import binance_id, binance_pair, is_inverse
from pipelines.local_exchange.timeframes import DAY_MS
from pipelines.local_exchange.wire import Reply

FILES_HOST, LISTING_HOST = "data.binance.vision", "s3-ap-northeast-1.amazonaws.com"
ARCHIVE_HOSTS = (FILES_HOST, LISTING_HOST)
_BUCKET = "/data.binance.vision"
_XML = "application/xml"
_MOST_KEYS = 1000
_NOT_THERE = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>'
_ENDINGS = (".zip", ".zip.CHECKSUM")


class Archive:
    """Answers requests for the archive's two hosts from a market.

    Args:
        market: Where the data is from.
        origin: Kind and name of the market, for the header that tells a reader that this is not the real archive.
    """

    def __init__(self, market: Market, origin: tuple[str, str]) -> None:
        self._market = market
        told = json.dumps({"source": origin[0], "detail": origin[1]})
        self._headers = {"X-Local-Exchange-Market": told}
        self._folders = dict(sorted(_folders(market)))
        self._file = lru_cache(32_768)(self._make_file)
        self._stems = lru_cache(256)(lambda folder: {_stem(folder, each): each for each in self._starts(folder)})
        self._starts = lru_cache(8192)(self._find_starts)

    def answer(self, host: str, path: str, query: Mapping[str, str]) -> Reply:
        """Answer one GET; what is not there comes as S3's own 404."""
        if host == LISTING_HOST:
            if path.rstrip("/") != _BUCKET:
                return self._reply(_NOT_THERE, 404, _XML)
            return self._list(query)
        key = path.removeprefix("/")
        body = self._find(key)
        if body is None:
            return self._reply(_NOT_THERE, 404, _XML)
        return self._reply(body, 200, "application/zip" if key.endswith(".zip") else "binary/octet-stream")

    def _reply(self, body: bytes, status: int, kind: str, rows: int = 0) -> Reply:
        return Reply(body, status, rows=rows, headers=self._headers, content_type=kind)

    # -- files

    def _find(self, key: str) -> bytes | None:
        place, _, name = key.rpartition("/")
        folder = self._folders.get(f"{place}/")
        ending = next((ending for ending in reversed(_ENDINGS) if name.endswith(ending)), None)
        if folder is None or ending is None:
            return None
        stems = self._stems(folder)
        start_ms = stems.get(name.removesuffix(ending))
        return None if start_ms is None else self._body(folder, start_ms, ending)

    def _body(self, folder: Folder, start_ms: int, ending: str) -> bytes:
        packed = self._file(folder, start_ms)
        if ending == ".zip":
            return packed
        return f"{hashlib.sha256(packed).hexdigest()}  {_stem(folder, start_ms)}.zip\n".encode()

    def _make_file(self, folder: Folder, start_ms: int) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(
                zipfile.ZipInfo(f"{_stem(folder, start_ms)}.csv"),  # its date is always 1980: equal rows, equal bytes
                table(self._market, folder, start_ms, _end(folder, start_ms) - 1),
                zipfile.ZIP_DEFLATED,
            )
        return packed.getvalue()

    def _find_starts(self, folder: Folder) -> tuple[int, ...]:
        """First instants of the days or months whose files are there by now."""
        days = days_with_rows(self._market, folder)
        starts = days if folder.cycle == "daily" else sorted({month_of(day_ms)[0] for day_ms in days})
        return tuple(start_ms for start_ms in starts if _end(folder, start_ms) <= self._market.now_ms)

    # -- the list of files

    def _list(self, query: Mapping[str, str]) -> Reply:
        prefix, marker, delimiter = query.get("prefix", ""), query.get("marker", ""), query.get("delimiter", "")
        most = min(int(query["max-keys"]) if query.get("max-keys", "").isdigit() else _MOST_KEYS, _MOST_KEYS)
        entries, truncated = [], False
        for name, make in self._entries(prefix, marker, delimiter):
            if len(entries) == most:
                truncated = True
                break
            entries.append((name, make))
        about = {
            "Name": FILES_HOST, "Prefix": prefix, "Marker": marker,
            **({"NextMarker": entries[-1][0]} if truncated and delimiter and entries else {}),
            "MaxKeys": str(most), **({"Delimiter": delimiter} if delimiter else {}),
            "IsTruncated": str(truncated).lower(),
        }  # fmt: skip
        parts = [f"<{tag}>{escape(text)}</{tag}>" for tag, text in about.items()]
        parts += [make() for _, make in entries]
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{''.join(parts)}</ListBucketResult>"
        )
        return self._reply(body.encode(), 200, _XML, len(entries))

    def _entries(self, prefix: str, marker: str, delimiter: str) -> Iterator[tuple[str, Callable[[], str]]]:
        """Names after the marker in order, each with what makes its XML."""
        seen = ""
        for place, folder in self._folders.items():
            if delimiter == "/" and place.startswith(prefix) and place != prefix:
                group = prefix + place[len(prefix) :].split("/")[0] + "/"
                if group != seen and group > marker:
                    yield group, partial(_common_prefix, group)
                seen = group
                continue
            if not (place.startswith(prefix) or prefix.startswith(place)):
                continue
            for start_ms in self._starts(folder):
                for ending in _ENDINGS:
                    key = f"{place}{_stem(folder, start_ms)}{ending}"
                    if key.startswith(prefix) and key > marker:
                        yield key, partial(self._contents, key, folder, start_ms, ending)

    def _contents(self, key: str, folder: Folder, start_ms: int, ending: str) -> str:
        body = self._body(folder, start_ms, ending)
        written = _iso(_end(folder, start_ms))
        tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return (
            f"<Contents><Key>{escape(key)}</Key><LastModified>{written}T08:00:00.000Z</LastModified>"
            f"<ETag>&quot;{tag}&quot;</ETag><Size>{len(body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )


def _folders(market: Market) -> Iterator[tuple[str, Folder]]:
    """Every folder that has files, with its place."""
    for listing in market.listings("binance"):
        part = "spot" if listing.kind == "spot" else "futures/cm" if is_inverse(listing) else "futures/um"
        for kind, name in _kinds(listing):
            for cycle in ("monthly", "daily"):
                if (kind, cycle) in (("fundingRate", "daily"), ("metrics", "monthly")):
                    continue
                place = f"data/{part}/{cycle}/{kind}/{name}/"
                if not kind.endswith("lines"):
                    yield place, Folder(listing, kind, cycle, None, f"{name}-{kind}")
                    continue
                for timeframe in TIMEFRAMES:
                    yield f"{place}{timeframe}/", Folder(listing, kind, cycle, timeframe, f"{name}-{timeframe}")


def _kinds(listing: Listing) -> list[tuple[str, str]]:
    """Kinds of files of an instrument, with the name that they stand under."""
    name = binance_id(listing)
    if listing.kind != "perp":
        return [("klines", name)]
    index_name = binance_pair(listing) if is_inverse(listing) else name
    kinds = ("klines", "markPriceKlines", "fundingRate", "metrics")
    return [("indexPriceKlines", index_name), *((kind, name) for kind in kinds)]


def _common_prefix(place: str) -> str:
    return f"<CommonPrefixes><Prefix>{escape(place)}</Prefix></CommonPrefixes>"


def _end(folder: Folder, start_ms: int) -> int:
    return start_ms + DAY_MS if folder.cycle == "daily" else month_of(start_ms)[1]


def _stem(folder: Folder, start_ms: int) -> str:
    return f"{folder.stem}-{_iso(start_ms)[: 10 if folder.cycle == 'daily' else 7]}"


def _iso(day_ms: int) -> str:
    return from_milliseconds(day_ms).date().isoformat()
