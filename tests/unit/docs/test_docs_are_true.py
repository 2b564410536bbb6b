"""What the pages say is held against the code: links, paths, commands, keys, variables, tables, SQL and numbers."""

import json
import re
import shlex
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
import yaml

from pipelines.alert_settings import AlertSettings
from pipelines.allocations.allocate import Standing, allocate
from pipelines.allocations.book import to_cents
from pipelines.cli.commands import app
from pipelines.cli.console import STAGES
from pipelines.cli.options import EXIT_CODES
from pipelines.hedges.scenarios import scenario
from pipelines.policy import Policy
from pipelines.raw.session import history_days
from pipelines.settings import ALERT_PREFIX, IngestSettings, PublishSettings, RetentionSettings, Settings
from warehouse.contracts import RELEASE_INFO, TABLES

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
_PLACES = ("*.md", "docs/*.md", "[a-z]*/README.md", "tests/*/README.md")
PAGES = sorted({page for place in _PLACES for page in ROOT.glob(place)})
MADE_BY_RUNS = ("warehouse/data", "dbt/target", "dbt/logs")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
POLICY = Policy()


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


pages = pytest.mark.parametrize("page", PAGES, ids=_name)


def _fences(text: str, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(text) if language in languages]


def _prose(text: str) -> str:
    return FENCE.sub("", text)


def _code_spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", _prose(text))


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    titles = re.findall(r"^#+ (.+)$", _prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _cells(text: str) -> Iterator[list[str]]:
    """The rows of the tables of a page, cell by cell."""
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("| ").split(" | ")]


@pages
def test_internal_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page.read_text(encoding="utf-8"))):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{_name(page)} links to {target}"
        assert not anchor or anchor in _anchors(linked), f"{_name(page)} links to {target}"


@pages
def test_paths_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"(?<![\w./-])(?:pipelines|dbt|warehouse|expectations|tests|docs|\.ci)/[\w./-]*", text):
        if not path.startswith(MADE_BY_RUNS):
            assert (ROOT / path.rstrip(".")).exists(), f"{_name(page)} names {path}"


@pages
def test_no_path_of_somebodys_machine_is_printed(page):
    found = re.findall(r"(?<![\w.])/(?:work|home|root|tmp|Users|mnt)/\S*", page.read_text(encoding="utf-8"))
    assert found == [], f"{_name(page)} prints {found}"


def _command_lines() -> list[tuple[str, str]]:
    lines = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        candidates = [
            *_code_spans(text),
            *(line for block in _fences(text, "", "sh", "console", "crontab") for line in block.splitlines()),
        ]
        found = (re.search(r"(?:^|^\$ |\.venv/bin/)rotation (.+)$", line.strip()) for line in candidates)
        lines += [(_name(page), match[1]) for match in found if match and "..." not in match[1]]
    return lines


def _arguments(line: str) -> list[str]:
    """The words of a command line up to a pipe, a redirection or a comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            break
        words.append(word)
    return words


@pytest.mark.parametrize(("page", "line"), _command_lines())
def test_every_command_line_can_be_parsed(page, line):
    command, words = typer.main.get_command(app), _arguments(line)
    if "--version" in words:  # answered while it is parsed
        return
    while hasattr(command, "commands"):
        context = command.make_context(command.name or "rotation", words)
        _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
    if words:  # without any it may be a command's mere name
        command.make_context(command.name, words)


def test_commands_are_printed_in_the_docs_at_all():
    """Guards the collection of command lines above: an empty list would pass silently."""
    named = {tuple(_arguments(line)[:1]) for _, line in _command_lines()}
    assert {("run",), ("show",), ("sql",), ("doctor",), ("rollback",), ("ui",), ("policy",)} <= named


@pages
def test_every_make_target_that_is_named_exists(page):
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    code = "\n".join([*_code_spans(text), *_fences(text, "sh")])
    assert set(re.findall(r"^make (\w+)", code, re.MULTILINE)) <= targets


QUERIES = ROOT / "warehouse" / "queries"


def _queries() -> list[tuple[str, str]]:
    found = [(page, _arguments(line)[1]) for page, line in _command_lines() if line.startswith("sql ") and '"' in line]
    for page in PAGES:
        found += [(_name(page), sql) for sql in _fences(page.read_text(encoding="utf-8"), "sql")]
    return found + [(path.name, path.read_text(encoding="utf-8")) for path in QUERIES.glob("*.sql")]


@pytest.fixture(scope="module")
def empty_release() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of a release, without rows."""
    tables = {table.qualified_name: table.columns for table in (*TABLES, RELEASE_INFO)}
    for contract in (ROOT / "dbt" / "models" / "marts").glob("*.yml"):
        for model in yaml.safe_load(contract.read_text(encoding="utf-8")).get("models", []):
            tables[f"marts.{model['name']}"] = {column["name"]: column["data_type"] for column in model["columns"]}
    with duckdb.connect() as connection:
        for schema in ("raw", "marts", "portfolio", "quality"):
            connection.execute(f"create schema {schema}")
        for name, columns in tables.items():
            described = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
            connection.execute(f"create table {name} ({described})")
        yield connection


@pytest.mark.parametrize(("page", "sql"), _queries())
def test_every_query_runs_on_the_tables_of_a_release(empty_release, page, sql):
    for statement in empty_release.extract_statements(sql):
        empty_release.execute(statement)


def _policy_keys(section: Any, prefix: str = "") -> Iterator[str]:
    for name, value in section:
        if hasattr(value, "model_dump"):
            yield from _policy_keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _default(key: str) -> Any:
    value: Any = POLICY.model_dump(mode="json")
    for part in key.split("."):
        value = value[part]
    return value


def _as_printed(value: Any) -> str:
    return json.dumps(value, separators=(", ", ": ")).replace('"', "")


def test_every_key_of_the_policy_is_described_with_its_default():
    rows = {row[0].strip("`"): row[1:] for row in _cells(_read("configure.md")) if re.match(r"`\w+\.[\w.]+`", row[0])}
    keys = [key for key in _policy_keys(POLICY) if key != "version"]
    assert list(rows) == keys
    assert {key: row[0] for key, row in rows.items()} == {key: _as_printed(_default(key)) for key in keys}


def test_every_threshold_in_the_strategy_is_the_policys_default():
    printed = re.findall(r"`([a-z_]+\.\w+): ([^`]+)`", _read("strategy.md"))
    assert len(printed) > 40
    wrong = {key: text for key, text in printed if text != _as_printed(_default(key))}
    assert wrong == {}


def _variables() -> dict[str, Any]:
    """Every environment variable of the settings with its default."""
    nested = {"ingest": IngestSettings, "publish": PublishSettings, "retention": RetentionSettings}
    found = {f"ROTATION_{name.upper()}": f.default for name, f in Settings.model_fields.items() if name not in nested}
    for prefix, model in nested.items():
        for name, field in model.model_fields.items():
            found[f"ROTATION_{prefix.upper()}__{name.upper()}"] = field.default
    return found | {ALERT_PREFIX + name.upper(): f.default for name, f in AlertSettings.model_fields.items()}


def _setting_as_printed(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def test_every_environment_variable_is_described_with_its_default():
    rows = {row[0]: row[1].strip("`") for row in _cells(_read("configure.md")) if row[0].startswith("`")}
    described = {name.strip("`"): default for name, default in rows.items()}
    source = (ROOT / "pipelines" / "settings.py").read_text(encoding="utf-8")
    other = set(re.findall(r'"(ROTATION_[A-Z_]+[A-Z])"', source)) - {"ROTATION_WAREHOUSE_DIR"}
    assert other <= set(described), "variables outside the settings' fields"
    variables = _variables()
    del variables["ROTATION_WAREHOUSE_DIR"]
    assert any("ROTATION_WAREHOUSE_DIR" in name for name in rows)
    expected = {name: _setting_as_printed(value) for name, value in variables.items()}
    assert {name: described.get(name) for name in expected} == expected


@pages
def test_every_environment_variable_that_is_named_exists(page):
    source = (ROOT / "pipelines" / "settings.py").read_text(encoding="utf-8")
    known = {*_variables(), *re.findall(r"ROTATION_[A-Z_]+[A-Z]", source)}
    assert set(re.findall(r"ROTATION_[A-Z_]+[A-Z]", page.read_text(encoding="utf-8"))) <= known


def test_every_dependency_is_named_with_its_reason():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"].get("optional-dependencies", {}).values()
    wanted = [
        *project["project"]["dependencies"], *project["build-system"]["requires"], *(name for e in extras for name in e)
    ]  # fmt: skip
    names = {re.split(r"[^\w.-]", requirement)[0] for requirement in wanted}
    text = _read("development.md")
    section = text[text.index("## Dependencies") :]
    assert {name for name in names if f"`{name}`" not in section} == set()


def test_every_table_of_the_contracts_is_in_the_list_of_tables():
    page = DOCS / "tables.md"
    if not page.exists():
        pytest.skip("docs/tables.md is not written yet")
    text = page.read_text(encoding="utf-8")
    assert {table.qualified_name for table in TABLES if table.qualified_name not in text} == set()


def test_every_page_is_in_the_index():
    index = _read("README.md")
    assert {
        page.name for page in DOCS.glob("*.md") if page.name != "README.md" and f"({page.name})" not in index
    } == set()


def test_the_exit_codes_are_those_of_the_command_line():
    text = _read("operations.md")
    section = text[text.index("## Exit codes") : text.index("## Gates")]
    assert re.findall(r"^\| (\d+) \|", section, re.MULTILINE) == re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE)


def test_the_stages_of_a_run_are_those_that_it_reports():
    text = _read("operations.md")
    section = text[text.index("## What a run does") : text.index("## Exit codes")]
    stages = [row[0] for row in _cells(section)][1:]
    assert tuple(stages) == STAGES


def test_the_days_that_a_first_run_decides_are_counted_right():
    # 90 days of baseline, and the longest windows within it: 28 of a peak of 14-day changes
    history, fetched = history_days(POLICY), IngestSettings().backfill_days
    words = f"({fetched}), and decides those that have the {history} days of history before them which the longest"
    assert f"{words} windows need: {fetched - history}." in " ".join(_read("operations.md").split())


def test_the_worked_example_is_what_the_allocation_gives():
    weights = {"L1": Fraction(2, 5), "DEFI": Fraction(3, 10), "EMERGING": Fraction(3, 10)}
    standings = {
        "L1": Standing(weights["L1"], weights["L1"], "REDUCE", POLICY.multipliers.REDUCE),
        "DEFI": Standing(weights["DEFI"], weights["DEFI"], "INCREASE"),
        "EMERGING": Standing(weights["EMERGING"], weights["EMERGING"], "TRIM", POLICY.multipliers.TRIM),
    }
    plan = allocate(standings, Fraction(0), POLICY)
    before = to_cents({**weights, "CASH": Fraction(0)}, 8_000_000)
    after = to_cents({**plan.targets, "CASH": plan.cash}, 8_000_000)
    rows = {row[0]: row for row in _cells(_read("strategy.md")) if row[0] in weights}
    for name, row in rows.items():
        change = (after[name] - before[name]) // 100
        assert row[3:] == [
            f"${before[name] // 100:,} ({weights[name]})",
            f"${after[name] // 100:,} ({plan.targets[name]})",
            f"{'+' if change > 0 else '-'}${abs(change):,}",
        ]
    assert len(rows) == 3
    assert {name for name, codes in plan.codes.items() if codes == {"TILT_CAP"}} == {"DEFI"}


def _percent(share: Fraction) -> str:
    exact = Decimal(share.numerator * 100) / Decimal(share.denominator)
    return f"{exact.quantize(Decimal('0.01'), ROUND_HALF_UP)}%"


def test_the_table_of_offsets_is_what_the_scenarios_give():
    exposure, settlements = Fraction(20_000), 21  # 7 days, three a day
    fundings = {
        "by the price alone": None, "with funding of +1 bp": 1, "with funding of +5 bp": 5,
        "with funding of -3 bp (the short pays)": -3,
    }  # fmt: skip
    printed = {row[0]: row[1:] for row in _cells(_read("strategy.md")) if row[0] in fundings}
    computed = {}
    for name, bps in fundings.items():
        results = [
            scenario(exposure, exposure * ratio / 100, Fraction(-1, 10), Fraction(bps or 0) * settlements, POLICY)
            for ratio in (10, 25, 50, 80, 100)
        ]
        which = "offset_price_only_frac" if bps is None else "offset_frac"
        computed[name] = [_percent(result[which]) for result in results]
    assert printed == computed


def test_the_cost_of_the_hedge_in_a_rise_is_what_the_scenarios_give():
    rise = scenario(Fraction(20_000), Fraction(2_000), Fraction(1, 10), Fraction(5 * 21), POLICY)
    loss = rise["net_pnl_usd"] - rise["spot_pnl_usd"]
    assert f"spot gains ${float(rise['spot_pnl_usd']):,.0f} and the hedge loses ${float(-loss):.2f}" in " ".join(
        _read("strategy.md").split()
    )


def test_the_first_page_says_that_nothing_is_traded_or_demonstrated():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").lower().split())
    for words in ("paper only", "sends no orders", "not investment advice", "**not demonstrated**", "simulated"):
        assert words in text
