"""Where the archive's files are: behind HTTP, or in a folder of one's own with the same layout."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_exponential

from pipelines.archive.errors import ArchiveError, ArchiveUnreachable, RefusedFile
from pipelines.archive.listing import MAX_PAGE_BYTES, Lister, Page, read_page

BASE_URL = "https://data.binance.vision"
LISTING_URL = "https://s3-ap-northeast-1.amazonaws.com/data.binance.vision"
MARKET_HEADER = "X-Local-Exchange-Market"  # a local exchange says what stands behind it; the real archive does not
_FILES_HOST, _LISTING_PLACE = "data.binance.vision", "s3-ap-northeast-1.amazonaws.com/data.binance.vision"
_ATTEMPTS = 5
_RETRIED = (429, *range(500, 600))
_REFUSED = {
    401: "it wants a login, which the public archive does not", 403: "it refuses this address",
    418: "this address is banned for asking too often", 451: "it does not serve this country",
}  # fmt: skip


class Tree(Lister, Protocol):
    """The archive's files.

    Attributes:
        origin: What the files are made from, as `warehouse.origin` names it.
        requests: Requests made so far; 0 for a folder.
    """

    origin: tuple[str, str]
    requests: int

    async def read(self, key: str, most: int) -> bytes | None:
        """A file's bytes; None when there is none.

        Raises:
            RefusedFile: it has more than `most` bytes, or the server has no way of giving it.
            ArchiveUnreachable: no answer.
        """
        ...


class _Again(Exception):
    """An answer that may be better the next time."""


class HttpTree:
    """The archive behind HTTP; requests are repeated where that helps."""

    def __init__(self, session: aiohttp.ClientSession, files: str, listing: str, patience_s: float,
                 sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:  # fmt: skip
        self.origin = ("live", "")
        self.requests = 0
        self._session, self._files, self._listing = session, files, listing
        self._patience_s, self._sleep = patience_s, sleep

    async def page(self, prefix: str, marker: str, most: int) -> Page:
        """See `Lister`."""
        query = {"prefix": prefix, "delimiter": "/", "max-keys": str(most)} | ({"marker": marker} if marker else {})
        body = await self._get(self._listing, MAX_PAGE_BYTES, query)
        if body is None:
            raise ArchiveError(f"{self._listing}: there is no list of files here; check --base-url")
        return read_page(body, self._listing)

    async def read(self, key: str, most: int) -> bytes | None:
        """See `Tree`."""
        return await self._get(f"{self._files}/{key}", most)

    async def _get(self, url: str, most: int, query: dict[str, str] | None = None) -> bytes | None:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Again),
            wait=wait_exponential(0.5, max=20),
            stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(self._patience_s),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(self._once, url, most, query)
        except _Again as error:
            raise ArchiveUnreachable(
                f"{url}: {error}, however often it was asked. Check the network connection and run the import again; "
                "it goes on where it stopped"
            ) from None

    async def _once(self, url: str, most: int, query: dict[str, str] | None) -> bytes | None:
        self.requests += 1
        try:
            async with self._session.get(url, params=query, allow_redirects=False) as response:
                if response.status == 404:
                    return None
                if response.status in _REFUSED:
                    raise ArchiveUnreachable(f"{url}: HTTP {response.status}, {_REFUSED[response.status]}")
                if response.status in _RETRIED:
                    raise _Again(f"HTTP {response.status}")
                if response.status != 200:
                    raise RefusedFile(f"{url}: HTTP {response.status}; check --base-url")
                self._learn_origin(response.headers.get(MARKET_HEADER))
                body = bytearray()
                async for part in response.content.iter_chunked(1 << 16):
                    body += part
                    if len(body) > most:
                        raise RefusedFile(f"{url}: more than {most:,} bytes; refused")
                return bytes(body)
        except (TimeoutError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise _Again("no answer in time" if isinstance(error, TimeoutError) else f"no answer ({error})") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise ArchiveError(f"{url}: cannot be asked ({error}); check --base-url") from None

    def _learn_origin(self, said: str | None) -> None:
        if said is not None and self.origin[0] == "live":
            told = json.loads(said)
            self.origin = (str(told["source"]), str(told["detail"]))


@asynccontextmanager
async def open_url(base_url: str, *, timeout_s: float, patience_s: float, connections: int) -> AsyncIterator[HttpTree]:
    """The archive at an address: the real one, a mirror that S3 or its like serves, or a local exchange.

    Raises:
        ArchiveError: there is no list of files there.
        ArchiveUnreachable: nobody answers there.
    """
    if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).netloc:
        raise ArchiveError(f"--base-url {base_url!r} is no address; write it as {BASE_URL}")
    timeout = aiohttp.ClientTimeout(total=None, connect=timeout_s, sock_read=timeout_s)
    async with aiohttp.ClientSession(
        timeout=timeout,
        connector=aiohttp.TCPConnector(limit=connections),
        headers={"Accept-Encoding": "identity"},  # a packed answer would grow behind the limit on its size
        auto_decompress=False,
    ) as session:
        problem: ArchiveError | None = None
        for files, listing in _places(base_url.rstrip("/")):
            tree = HttpTree(session, files, listing, patience_s)
            try:
                await tree.page("data/", "", 1)
            except ArchiveUnreachable:
                raise
            except ArchiveError as error:
                problem = problem or error
                continue
            yield tree
            return
        assert problem is not None
        raise problem


def _places(base: str) -> list[tuple[str, str]]:
    """Where files and lists of files may be, for an address that somebody gives."""
    if base == BASE_URL:
        return [(BASE_URL, LISTING_URL)]
    root = base.removesuffix(f"/{_FILES_HOST}")
    local = (f"{root}/{_FILES_HOST}", f"{root}/{_LISTING_PLACE}")
    return [local] if root != base else [(base, base), local]


class FolderTree:
    """The archive's files in a folder: the one that holds `data`, or `data` itself."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ArchiveError(f"--dir {folder}: no such folder; give the one that holds the archive's `data`")
        root = folder if (folder / "data").is_dir() else folder.parent if folder.resolve().name == "data" else None
        if root is None:
            raise ArchiveError(f"--dir {folder}: holds no folder `data`; keep the archive's own layout, as in "
                               "data/futures/um/daily/metrics/BTCUSDT/")  # fmt: skip
        self.origin = ("live", "")
        self.requests = 0
        self._root = root if root is folder else folder.resolve().parent

    async def page(self, prefix: str, marker: str, most: int) -> Page:
        """See `Lister`; a folder is one page."""
        folder, _, begins = prefix.rpartition("/")
        try:
            with os.scandir(self._root / folder) as entries:
                names = [f"{folder}/{entry.name}" + ("/" if entry.is_dir() else "") for entry in entries]
        except FileNotFoundError:
            names = []
        except OSError as error:
            raise ArchiveError(f"{self._root / folder}: cannot be listed ({error.strerror})") from None
        chosen = (name for name in names if name.startswith(f"{folder}/{begins}") and name.encode() > marker.encode())
        return Page(tuple(sorted(chosen, key=str.encode)), None)

    async def read(self, key: str, most: int) -> bytes | None:
        """See `Tree`."""
        return await asyncio.to_thread(self._read, key, most)

    def _read(self, key: str, most: int) -> bytes | None:
        path = self._root / key
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # before it is opened: a pipe would wait for a writer
                raise RefusedFile(f"{path}: is no plain file; refused")
            with path.open("rb") as file:
                body = file.read(most + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise RefusedFile(f"{path}: cannot be read ({error.strerror}); check its rights") from None
        if len(body) > most:
            raise RefusedFile(f"{path}: more than {most:,} bytes; refused")
        return body
