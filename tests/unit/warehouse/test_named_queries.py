"""What every named query promises in its comments, and how parameters are taken."""

import re
from datetime import date

import pytest

from warehouse.named_queries import (
    BadParameter,
    UnknownQuery,
    find_query,
    list_queries,
    read_query,
    run_named,
)
from warehouse.query import QueryError

DAY = date(2026, 11, 20)
queries = pytest.mark.parametrize("named", list_queries(), ids=lambda named: named.name)


def _statement(named) -> str:
    """The SQL without its comments."""
    return "\n".join(line for line in named.sql.splitlines() if not line.startswith("--"))


@queries
def test_the_columns_that_are_described_are_those_that_come_in_their_order(hand_made, named):
    assert tuple(run_named(hand_made.con, named, {}).columns) == tuple(named.columns)


@queries
def test_the_parameters_that_are_described_are_those_that_the_sql_reads(named):
    assert set(named.parameters) == set(re.findall(r"getvariable\('(\w+)'\)", named.sql))


@queries
def test_the_tables_that_are_named_are_those_that_the_sql_reads(named):
    read = set(re.findall(r"\b(?:marts|portfolio|quality|raw)\.\w+", _statement(named)))
    assert set(named.reads) == read


@queries
def test_a_default_that_is_described_is_that_of_the_sql(named):
    defaults = {
        name: re.findall(rf"coalesce\((?:cast\()?getvariable\('{name}'\)(?: as \w+\))?, ([^)]+)\)", named.sql)
        for name in named.parameters
    }
    for name, parameter in named.parameters.items():
        if parameter.default.startswith(("the ", "every ")):
            assert not any(default[0].isdigit() or default[0] == "'" for default in defaults[name])
        else:
            assert {default.strip("'") for default in defaults[name]} == {parameter.default}


@queries
def test_every_parameter_has_a_kind_that_can_be_given(hand_made, named):
    hand_made.fill("marts.sector_weights", {"sector": "DEFI"})
    hand_made.fill("marts.asset_futures_daily", {"date": DAY, "asset": "BTC"})
    values = {"sector": "defi", "asset": "btc", "date": "2026-11-20", "count": "3", "number": "0.5", "text": "x"}
    given = {name: values[parameter.kind] for name, parameter in named.parameters.items()}
    assert run_named(hand_made.con, named, given).columns == tuple(named.columns)


def test_there_are_questions_enough_and_no_two_are_the_same():
    questions = [named.question for named in list_queries()]
    assert len(questions) >= 22 and len(set(questions)) == len(questions)


def test_an_unknown_name_is_told_the_nearest_ones():
    with pytest.raises(UnknownQuery, match=r"'fundig_history'.*did you mean funding_history"):
        find_query("fundig_history")


@pytest.mark.parametrize("name", ["../tonight", "tonight.sql", "", "/etc/passwd"])
def test_a_name_is_no_path(name):
    with pytest.raises(UnknownQuery):
        find_query(name)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("tonight", {"day": "2026-11-20"}, r"no parameter 'day'; it takes: date"),
        ("days_in_state", {"date": "2026-11-20"}, "it takes: none"),
        ("tonight", {"date": "20.11.2026"}, "a day such as"),
        ("short_carry", {"days": "2.5"}, "a whole number from 1"),
        ("short_carry", {"days": "0"}, "a whole number from 1"),
        ("short_carry", {"days": "100001"}, "a whole number from 1"),
        ("hedge_in_past_falls", {"fall": "nan"}, "a number such as"),
        ("hedge_in_past_falls", {"fall": ""}, "a number such as"),
        ("hedge_in_past_falls", {"asset": "BTCC"}, r"no asset of this release.*did you mean BTC"),
        ("funding_history", {"sector": "DEFFI"}, r"no sector of this release; there are: DEFI.*did you mean DEFI"),
    ],
)
def test_a_parameter_that_is_unknown_or_of_another_kind_is_explained(hand_made, name, given, message):
    hand_made.fill("marts.sector_weights", {"sector": "DEFI"})
    hand_made.fill("marts.asset_futures_daily", {"date": DAY, "asset": "BTC"})
    with pytest.raises(BadParameter, match=message):
        run_named(hand_made.con, find_query(name), given)


def test_a_value_is_bound_and_never_becomes_sql(hand_made):
    hand_made.fill(
        "portfolio.hedge_scenarios", {"as_of_date": DAY, "hedge_id": "h", "funding_path": "it's; drop table x"}
    )
    assert hand_made.column("hedge_scenarios", "hedge_id", path="it's; drop table x") == ["h"]
    assert hand_made.column("hedge_scenarios", "hedge_id", path="x' or 'x' = 'x") == []


def test_a_parameter_of_one_question_is_not_seen_by_the_next(hand_made):
    for sector in ("DEFI", "L1"):
        hand_made.fill("marts.sector_weights", {"sector": sector})
        hand_made.fill("marts.data_health_daily", {"date": DAY, "sector": sector, "reason": "stale"})
    assert hand_made.column("data_gaps", "sector", sector="l1") == ["L1"]
    assert hand_made.column("data_gaps", "sector") == ["DEFI", "L1"]


@pytest.mark.parametrize(
    ("table", "name", "remedy"),
    [
        ("raw.quarantine", "quarantine_by_rule", "publish.include_raw"),
        ("portfolio.hedges", "open_hedges", "rotation run"),
    ],
)
def test_a_release_without_the_table_says_how_to_get_it(hand_made, table, name, remedy):
    hand_made.con.execute(f"drop table {table}")
    with pytest.raises(QueryError, match=f"no {table}.*{remedy}"):
        hand_made.ask(name)


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "-- No question.\n-- Columns:\n--   a: b.\n-- Reads: marts.x\n-- How to read: c.\nselect 1",
        "-- Why?\n-- Reads: marts.x\n-- How to read: c.\nselect 1",
        "-- Why?\n-- Parameters:\n--   days (count): d.\n-- Columns:\n--   a: b.\n-- Reads: t\n-- How to read: c.\n",
    ],
)
def test_a_file_whose_comments_lack_something_is_refused(tmp_path, text):
    path = tmp_path / "why.sql"
    path.write_text(text)
    with pytest.raises(QueryError, match="why.sql"):
        read_query(path)
