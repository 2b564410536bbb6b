"""The archive's list of files: S3's XML pages, and walking through them.

A page holds up to 1,000 names in the order of their bytes; `IsTruncated` says that more follow, `NextMarker` (or the
last name, where it is left out) where the next page begins.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol
from xml.etree import ElementTree

from pipelines.archive.errors import ArchiveError

MAX_PAGE_BYTES = 4_000_000
PAGE_KEYS = 1000
_NAMESPACE = re.compile(r"^\{[^}]*\}")


@dataclass(frozen=True)
class Page:
    """One page: names of files and of folders (with a slash), ascending, and where the next page begins."""

    names: tuple[str, ...]
    next_marker: str | None


class Lister(Protocol):
    """Whatever can give a page of names."""

    async def page(self, prefix: str, marker: str, most: int) -> Page:
        """At most `most` names that begin with `prefix` and come after `marker`; folders stand as one name."""
        ...


def read_page(body: bytes, where: str) -> Page:
    """Read one XML page.

    Raises:
        ArchiveError: too large, not XML, not a list of files, or with a document type, which no list has and which
            could make a small text expand without end.
    """
    if len(body) > MAX_PAGE_BYTES:
        raise ArchiveError(f"{where}: a page of the list of files has more than {MAX_PAGE_BYTES:,} bytes; refused")
    lowered = body.lower()
    if b"<!doctype" in lowered or b"<!entity" in lowered:
        raise ArchiveError(f"{where}: the answer declares a document type, so it is no list of files; {_CHECK}")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise ArchiveError(f"{where}: the answer is no list of files ({error}); {_CHECK}") from None
    if _tag(root) != "ListBucketResult":
        raise ArchiveError(f"{where}: the answer is <{_tag(root)}>, no list of files; {_CHECK}")
    names, is_truncated, next_marker = [], False, None
    for child in root:
        tag, text = _tag(child), (child.text or "").strip()
        if tag in ("Contents", "CommonPrefixes"):
            names += [each.text or "" for each in child if _tag(each) in ("Key", "Prefix")]
        elif tag == "IsTruncated":
            is_truncated = text.lower() == "true"
        elif tag == "NextMarker":
            next_marker = text or None
    names.sort(key=str.encode)
    return Page(tuple(names), (next_marker or (names[-1] if names else None)) if is_truncated else None)


async def walk(lister: Lister, prefix: str, after: str = "", until: str | None = None, most: int = PAGE_KEYS
               ) -> AsyncIterator[str]:  # fmt: skip
    """Names under `prefix` after `after` and up to `until`, page by page.

    Raises:
        ArchiveError: a page leads back to an earlier one.
    """
    marker = after
    while True:
        page = await lister.page(prefix, marker, most)
        for name in page.names:
            if until is not None and name.encode() > until.encode():
                return
            if name.startswith(prefix):
                yield name
        if page.next_marker is None:
            return
        if page.next_marker.encode() <= marker.encode():
            raise ArchiveError(f"{prefix}: the list of files leads back to {page.next_marker!r}; {_CHECK}")
        marker = page.next_marker


_CHECK = "check --base-url, or download the files and give them with --dir"


def _tag(element: ElementTree.Element) -> str:
    return _NAMESPACE.sub("", element.tag)
