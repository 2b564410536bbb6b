"""`make docs`: every page is there, every link leads somewhere from a file, and no page asks anybody for anything."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

_PROJECT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("site_builder", _PROJECT / "docs" / "site_builder" / "build.py")
builder = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = builder  # a dataclass looks its own module up
_spec.loader.exec_module(builder)
ASKING = ("src", "srcset", "poster", "data", "background", "action", "formaction")


class _Reader(HTMLParser):
    """Collects a page's ids, the links that a person follows, and what the browser asks for by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.followed: list[str] = []
        self.asked: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            elif name == "href" and tag == "a":
                self.followed.append(value or "")
            elif name == "href" or name in ASKING:
                self.asked.append(value or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The user documentation alone; dbt's page is an empty one."""
    directory = tmp_path_factory.mktemp("docs") / "site"
    builder.build_site(directory, with_dbt=False)
    (directory / builder.DBT_DOCS).touch()
    return directory


def _pages(site: Path) -> Iterator[tuple[Path, _Reader]]:
    for page in sorted(site.rglob("*.html")):
        yield page, _Reader(page.read_text(encoding="utf-8"))


def test_every_markdown_page_is_a_page_of_the_site(site):
    sources = [*_PROJECT.glob("docs/*.md"), *_PROJECT.glob("[a-z]*/README.md"), _PROJECT / "README.md"]
    made = {page.relative_to(site).as_posix() for page, _ in _pages(site)}
    assert {builder.address(source.relative_to(_PROJECT).as_posix()) for source in sources} < made


def test_every_link_leads_to_a_file_of_the_site_and_to_an_anchor_that_it_has(site):
    readers = dict(_pages(site))
    followed = 0
    for page, reader in readers.items():
        for link in reader.followed:
            if link.startswith(("https://", "http://127.0.0.1:")):
                continue
            path, _, anchor = unquote(link).partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.is_file() and target.is_relative_to(site), f"{page.name}: {link}"
            assert not anchor or anchor in readers[target].ids, f"{page.name}: {link}"
            followed += 1
    assert followed > 500


def test_no_page_asks_for_anything_but_pictures_of_the_site(site):
    for page, reader in _pages(site):
        for link in reader.asked:
            assert "//" not in link and (page.parent / link).is_file(), f"{page.name} asks for {link}"
        text = page.read_text(encoding="utf-8")
        if page.name != "index.html" or page.parent == site:
            assert "default-src 'none'" in text and "<script" not in text
        assert not re.search(r"@import|url\(", text)


def test_headings_get_the_anchors_that_github_gives_them(site):
    ids = _Reader((site / "docs" / "operations.html").read_text(encoding="utf-8")).ids
    assert {"operations", "every-night", "a-failed-night", "where-things-lie"} <= ids


def test_what_a_page_shows_or_links_to_is_copied(site):
    assert (site / "LICENSE.txt").read_bytes() == (_PROJECT / "LICENSE").read_bytes()
    assert 'href="LICENSE.txt"' in (site / "index.html").read_text(encoding="utf-8")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(builder.SiteError, match="holds something else than a site"):
        builder.build_site(tmp_path, with_dbt=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_second_site_takes_the_place_of_the_first(site):
    (site / "docs" / "gone.html").touch()
    builder.build_site(site, with_dbt=False)
    assert not (site / "docs" / "gone.html").exists() and (site / "index.html").exists()
    (site / "dbt").mkdir(exist_ok=True)
    (site / builder.DBT_DOCS).touch()


def test_a_link_to_a_file_that_is_not_there_is_an_error_that_names_the_page(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("[away](nowhere.md)")
    monkeypatch.setattr(builder, "PROJECT_ROOT", tmp_path)
    with pytest.raises(builder.SiteError, match="README.md links to nowhere.md"):
        builder._read("README.md", ["README.md"])


def test_links_from_dbts_pages_lead_to_pages_of_the_site(site):
    models = _PROJECT / "dbt" / "models"
    exposures = yaml.safe_load((models / "exposures.yml").read_text(encoding="utf-8"))["exposures"]
    links = [one["url"] for one in exposures]
    links += re.findall(r"\]\(([^)]+)\)", (models / "overview.md").read_text(encoding="utf-8"))
    readers = dict(_pages(site))
    for link in links:
        path, _, anchor = link.partition("#")
        target = (site / "dbt" / path).resolve()
        assert target in readers, link
        assert not anchor or anchor in readers[target].ids, link
    assert len(links) >= 5
