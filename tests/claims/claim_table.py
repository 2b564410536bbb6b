"""Every claim of the article that the strategy is from, and what became of it: `docs/claims.md`.

`python -m tests.claims.claim_table` writes the page from `claims.yml`; tests hold the two together, and every test
that is named against the tests there are.
"""

import ast
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[2]
REGISTRY = Path(__file__).with_name("claims.yml")
DOCUMENT = PROJECT / "docs" / "claims.md"
VERDICTS = {
    "built": ("built as said", "as the article says it"),
    "resolved": ("built with a resolution", "the article leaves something open; what was chosen stands there"),
    "corrected": ("corrected", "the article is wrong or says too much; the program says what is right"),
    "declined": ("declined", "not built on purpose, with the reason"),
    "open": ("not shown yet", "a claim about markets that nothing here has tested yet"),
}
_HEAD = """\
# The article's claims

The strategy comes from an article on rotating between sectors of coins with the help of futures. Here is every claim of
it in our words, with what became of it. Nothing here says that the strategy earns money: that is **not demonstrated**.

Tests are named by their file and function: `test_book.py::test_name` is found and run by
`pytest tests -k test_name`. Those of a `.yml` file are unit tests of dbt, which
`test_dbt_unit_tests.py::test_formulas_give_the_numbers_beside_them` runs. Where a claim is open or declined, its tests
show that the program says so. A test fails when a claim has neither a test
nor a reason, when a test that is named does not exist or is never run, and when this page is not what
`python -m tests.claims.claim_table` makes of `tests/claims/claims.yml`.
"""


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        name: S1 to S96.
        claim: What is claimed, in our words.
        verdict: A key of `VERDICTS`.
        product: What the program does about it; None where it does nothing.
        tests: Tests that show it: `file::function`, or `file.yml::name` for a unit test of dbt.
        reason: Why it is declined, or what is missing; None where there is nothing to say.
    """

    name: str
    claim: str
    verdict: str
    product: str | None = None
    tests: tuple[str, ...] = ()
    reason: str | None = None


def sections() -> dict[str, list[Claim]]:
    """Title of a section to its claims, in order."""
    parts = yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))
    return {
        part["title"]: [
            Claim(name, **(entry | {"tests": tuple(entry.get("tests", ()))})) for name, entry in part["claims"].items()
        ]
        for part in parts
    }


def claims() -> list[Claim]:
    """All claims, in order."""
    return [claim for part in sections().values() for claim in part]


@cache
def known_tests() -> dict[str, int]:
    """`file::function` of every test that is run, and `file.yml::name` of dbt's, to how often there is one.

    The sources are read, nothing is imported. A test that is always skipped is none.
    """
    names = [name for path in (PROJECT / "tests").rglob("test_*.py") for name in _python_tests(path)]
    for path in (PROJECT / "dbt" / "models").rglob("*.yml"):
        declared = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        names += [f"{path.name}::{one['name']}" for one in declared.get("unit_tests", ())]
    return dict(Counter(names))


def _python_tests(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skips = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and _is_skip(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in tree.body:
        is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if is_test and not any(_is_skip(mark, skips) for mark in node.decorator_list):
            yield f"{path.stem}::{node.name}"


def _is_skip(mark: ast.expr, names: set[str]) -> bool:
    """Whether a decorator, or a value kept to be one, is `pytest.mark.skip`."""
    if isinstance(mark, ast.Call):
        return _is_skip(mark.func, names)
    if isinstance(mark, ast.Name):
        return mark.id in names
    return isinstance(mark, ast.Attribute) and mark.attr == "skip"


def page() -> str:
    """The whole page in Markdown."""
    counts = Counter(claim.verdict for claim in claims())
    lines = [_HEAD, "| verdict | claims | meaning |", "|---|---|---|"]
    lines += [f"| {words} | {counts[key]} | {meaning} |" for key, (words, meaning) in VERDICTS.items()]
    for title, part in sections().items():
        lines += ["", f"## {title}", "", *map(_entry, part)]
    return "\n".join(lines) + "\n"


def _entry(claim: Claim) -> str:
    words = VERDICTS[claim.verdict][0]
    answer = " ".join(filter(None, (claim.product, claim.reason)))
    wrapped = _wrapped(f"- **{claim.name}** {claim.claim} *{words[0].upper()}{words[1:]}.* {answer}")
    names = ", ".join(f"`{name if '.yml' in name else name.replace('::', '.py::')}`" for name in claim.tests)
    return f"{wrapped}\n{_wrapped(f'  - Tests: {names}.', 4)}" if names else wrapped


def _wrapped(text: str, indent: int = 2) -> str:
    return textwrap.fill(text, 120, subsequent_indent=indent * " ", break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Write the page."""
    DOCUMENT.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
