"""One static site of the user documentation and dbt's, read from files without a server and without a network.

    python docs/site_builder/build.py [DIR]

The pages are the Markdown files as they are, with links to one another; pictures and files they link to are copied.
dbt's documentation is made over an empty warehouse of its own: its columns and types are those of any other, and the
warehouse in use is never opened.
"""

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from pipelines.settings import DBT_DIRECTORY, PROJECT_ROOT, give_dbt, prepare_process_environment
from pipelines.transform.project import dbt_executable
from warehouse.connection import Warehouse
from warehouse.schema import create_tables

BUILDER = Path(__file__).parent
SITE = PROJECT_ROOT / "site"
SOURCES = ("README.md", "docs/*.md", "[a-z]*/README.md")
INDEX = "docs/README.md"
DBT_DOCS = "dbt/index.html"
MADE_BY = '<meta name="generator" content="rotation docs">'
# dbt's page draws with scripts and styles of its own; whatever else it holds, it may ask nobody.
DBT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:"
)
# Placeholders that its page would ask for as files before it fills them in, or for ever.
DBT_MENDED = (
    ('<use xlink:href="{{', '<use ng-attr-xlink:href="{{'),
    ("""<link rel="shortcut icon" href="${require('./assets/favicons/favicon.ico')}"/>""", ""),
)
_EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class SiteError(ValueError):
    """The site cannot be made. The message names the page or the folder and what to change."""


@dataclass(frozen=True)
class Page:
    """A Markdown file of the project.

    Attributes:
        source: Path in the project, with slashes.
        title: Its first heading, as plain text.
        body: The rendered text.
        linked: Files of the project that it links to or shows and that are no pages.
    """

    source: str
    title: str
    body: Markup
    linked: frozenset[str]


def build_site(directory: Path = SITE, with_dbt: bool = True) -> int:
    """Write the site into a folder, in place of the one that was there.

    Args:
        directory: Is made. One that holds anything but an earlier site is left alone.
        with_dbt: Without it the links to dbt's documentation lead nowhere; for tests.

    Returns:
        The number of pages, dbt's included.

    Raises:
        SiteError: a link leads nowhere, the folder holds something else, or dbt fails.
    """
    if directory.exists() and not _is_a_site(directory):
        raise SiteError(f"{directory} holds something else than a site; name another folder, or remove it")
    sources = source_pages()
    pages = [_read(source, sources) for source in sources]
    with tempfile.TemporaryDirectory(prefix="rotation-docs-") as folder:
        made = Path(folder) / "site"
        _write_pages(made, pages)
        if with_dbt:
            _write(made / DBT_DOCS, dbt_documentation(Path(folder)))
        if directory.exists():
            shutil.rmtree(directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, directory)
    return len(pages) + with_dbt


def source_pages() -> list[str]:
    """The Markdown files that become pages: the index first, then in its order, then the rest."""
    found = sorted(
        {path.relative_to(PROJECT_ROOT).as_posix() for place in SOURCES for path in PROJECT_ROOT.glob(place)}
    )
    index = (PROJECT_ROOT / INDEX).read_text(encoding="utf-8")
    order = {f"docs/{name}": place for place, name in enumerate(re.findall(r"\]\(([\w-]+\.md)\)", index))}
    return sorted(found, key=lambda source: (source != "README.md", source != INDEX, order.get(source, len(order))))


def address(source: str) -> str:
    """Where a file of the project lies in the site: pages as HTML, text without an ending as `.txt`."""
    path = PurePosixPath(source)
    if source == "README.md":
        return "index.html"
    if path.suffix == ".md":
        return str(path.with_suffix(".html"))
    return source if path.suffix else f"{source}.txt"


def slug(title: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def dbt_documentation(folder: Path) -> str:
    """dbt's own documentation as one page that asks nobody for anything.

    Args:
        folder: For dbt's files; is left with them.

    Raises:
        SiteError: dbt failed; the message ends with its own words.
    """
    warehouse = Warehouse(folder / "warehouse")
    with warehouse.open_build("documentation") as connection:
        create_tables(connection)
    prepare_process_environment(warehouse.directory)
    give_dbt(warehouse.build_path)
    # Without tables in the database the catalogue would have no types, and the SQL could not be compiled.
    _dbt(folder, "build", "--exclude-resource-type", "test", "unit_test")
    _dbt(folder, "docs", "generate", "--static")
    page = (folder / "target" / "static_index.html").read_text(encoding="utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(DBT_POLICY)}">'
    if page.count("<head>") != 1:
        raise SiteError("dbt's static page has another form than before: its head was not found")
    for what, instead in DBT_MENDED:
        page = page.replace(what, instead)
    return page.replace("<head>", f"<head>{policy}")


def _dbt(folder: Path, *words: str) -> None:
    places = ["--project-dir", str(DBT_DIRECTORY), "--profiles-dir", str(DBT_DIRECTORY)]
    places += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    done = subprocess.run(
        [dbt_executable(), *words, "--quiet", *places], capture_output=True, text=True, env=os.environ
    )
    if done.returncode:
        raise SiteError(f"dbt {words[0]} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")


def _is_a_site(directory: Path) -> bool:
    index = directory / "index.html"
    return directory.is_dir() and (
        not any(directory.iterdir()) or (index.is_file() and MADE_BY in index.read_text(encoding="utf-8"))
    )


def _read(source: str, sources: Sequence[str]) -> Page:
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse((PROJECT_ROOT / source).read_text(encoding="utf-8"))
    linked, title = set(), source
    for heading, text in _headings(tokens):
        if heading.tag == "h1":
            title = text
        heading.attrSet("id", slug(text))
    for token in _all(tokens):
        for name in ("href", "src"):
            target = token.attrGet(name)
            if isinstance(target, str) and not _EXTERNAL.match(target) and not target.startswith("#"):
                file, anchor = _resolve(source, target)
                if file not in sources:
                    linked.add(file)
                token.attrSet(name, _relative(source, address(file)) + anchor)
    body = parser.renderer.render(tokens, parser.options, {})
    body = body.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace("</table>", "</table></div>")
    return Page(source, title, Markup(body), frozenset(linked))


def _headings(tokens: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    """Each heading with its text, without marks such as those of code or of a link."""
    for heading, inline in pairwise(tokens):
        if heading.type == "heading_open":
            yield heading, "".join(child.content for child in inline.children or ())


def _all(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def _resolve(source: str, target: str) -> tuple[str, str]:
    """The file of the project that a link means, and the anchor with its `#`."""
    path, mark, anchor = target.partition("#")
    file = Path(os.path.normpath(PROJECT_ROOT / PurePosixPath(source).parent / path))
    if not file.is_file() or not file.is_relative_to(PROJECT_ROOT):
        raise SiteError(f"{source} links to {target}: there is no such file in the project")
    return file.relative_to(PROJECT_ROOT).as_posix(), mark + anchor


def _relative(source: str, to: str) -> str:
    return os.path.relpath(to, PurePosixPath(address(source)).parent)


def _write_pages(directory: Path, pages: Sequence[Page]) -> None:
    environment = Environment(loader=FileSystemLoader(BUILDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.get_template("page.html")
    style = Markup((BUILDER / "style.css").read_text(encoding="utf-8"))
    for page in pages:
        entries = [(one.title, _relative(page.source, address(one.source)), one is page) for one in pages]
        text = template.render(
            page=page, entries=entries, style=style, made_by=Markup(MADE_BY), dbt=_relative(page.source, DBT_DOCS)
        )
        _write(directory / address(page.source), text)
    for file in sorted(frozenset().union(*(page.linked for page in pages))):
        copy = directory / address(file)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT_ROOT / file, copy)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    site = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SITE
    try:
        count = build_site(site)
    except SiteError as error:
        sys.exit(f"error: {error}")
    print(f"{count} pages: {site / 'index.html'}")
