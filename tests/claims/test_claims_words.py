"""Claims about words: what no text that a user can meet may say."""

import ast
import re
from pathlib import Path

import pytest

from pipelines.cli import show
from warehouse.contracts import TABLES

PROJECT = Path(__file__).parents[2]
CODE = ("pipelines", "warehouse", "expectations")
CLAIMS = "docs/claims.md"  # it repeats what is claimed, wrong words included


def _strings(path):
    """The strings of a module, its comments and docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return "\n".join(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    )


@pytest.fixture(scope="module")
def texts():
    """File to what a user can read of it: strings of the code, pages, descriptions of tables, seeds."""
    found = {}
    for package in CODE:
        found |= {path: _strings(path) for path in (PROJECT / package).rglob("*.py")}
    templates = [path for kind in ("j2", "html", "sql") for path in PROJECT.glob(f"[pw]*/**/*.{kind}")]
    found |= {path: path.read_text(encoding="utf-8") for path in templates}
    pages = [*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md"), *PROJECT.glob("[a-z]*/README.md")]
    dbt = [path for kind in ("yml", "csv") for path in (PROJECT / "dbt").glob(f"[ms]*s/**/*.{kind}")]
    found |= {path: path.read_text(encoding="utf-8") for path in (*pages, *dbt)}
    return {str(path.relative_to(PROJECT)): text for path, text in sorted(found.items())}


def said(texts, pattern, *, allowed=()):
    """Files (but those allowed) to what matches in them."""
    where = {name: re.findall(pattern, text, re.IGNORECASE) for name, text in texts.items()}
    return {name: found for name, found in where.items() if found and name not in (CLAIMS, *allowed)}


def test_the_texts_are_really_read(texts):
    assert len(texts) > 150
    assert said(texts, r"new leverage").keys() >= {"pipelines/signals/explain.py", "docs/strategy.md"}
    assert said(texts, r"Grain: one row per").keys() >= {"pipelines/portfolio/assets.py"}
    assert said(texts, r"Oracle network").keys() >= {"dbt/seeds/asset_sectors.csv"}


def test_s4_everything_printed_about_a_release_says_that_nothing_is_demonstrated():
    assert show.DISCLAIMER.endswith("that the signals earn money is not demonstrated")
    tree = ast.parse(Path(show.__file__).read_text(encoding="utf-8"))
    printing = {
        function.name
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id == "DISCLAIMER"
    }
    assert printing >= {"show", "show_run", "_print_whereabouts"}


def test_s9_no_text_claims_to_see_institutions(texts):
    payments = "dbt/seeds/asset_sectors.csv"  # what XRP is made for
    assert said(texts, r"institution\w*", allowed=[payments]) == {}


def test_s14_no_text_calls_open_interest_an_inflow(texts):
    assert said(texts, r"\b(?:in|out)flow\w*") == {}


def test_s37_no_text_calls_a_sector_that_is_reduced_an_underperformer(texts):
    assert said(texts, r"under-?perform\w*") == {}


def test_s47_no_text_calls_spot_stable_or_safe(texts):
    of_spot = (
        r"\bspot\b[^.|\n]*\b(?:stable|stability|safe|safety)\b|\b(?:stable|stability|safe|safety)\b[^.|\n]*\bspot\b"
    )
    assert said(texts, of_spot) == {}


def test_s52_largely_is_said_by_the_rule_of_eighty_percent_alone(texts):
    # the rule itself has tests of its own; a page may only quote the word to deny it
    rule = "pipelines/hedges/explain.py"
    assert said(texts, r'(?<!")\blargely\b(?!")', allowed=[rule]) == {}
    assert said(texts, r'(?<!Not )"most of it"|offsets? most') in ({}, {"docs/examples.md": ["offsets most"]})


def test_s53_no_text_promises_that_a_hedge_preserves_the_capital(texts):
    assert said(texts, r"preserv\w+ (?:your |the )?(?:principal|capital)|guarantee[sd]? (?:profit|return)") == {}


def test_s78_no_text_reads_a_premium_as_a_forecast(texts):
    assert said(texts, r"priced in\b|(?<!not a )forecast of a fall|predicts? a (?:fall|correction)") == {}


def test_s83_no_text_flatters(texts):
    assert said(texts, r"hallmark|expert-level|like an expert|adaptive portfolio|next-level") == {}


def test_s86_no_text_carries_a_referral_link_or_a_bonus(texts):
    assert said(texts, r"https?://\S*[?&/](?:ref|invite|aff|affiliate|register|signup|promo)\w*[=/]\S*") == {}
    assert said(texts, r"\bbonus\w*|sign[- ]?up (?:link|offer)|fee rebate\w*|promo code|t\.me/") == {}


def test_s87_no_hit_rate_is_printed_or_stored(texts):
    assert said(texts, r"(?:win|hit)[ _-]?rate") == {}
    columns = [f"{table.qualified_name}.{column}" for table in TABLES for column in table.columns]
    assert [name for name in columns if re.search(r"(?:win|hit)_?rate|winning", name)] == []
