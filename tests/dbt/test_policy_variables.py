"""The numbers in the SQL are the policy's: same names, same defaults, nothing left over."""

import json
import re
from collections.abc import Callable
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from pipelines.policy import Policy, parse_policy
from pipelines.transform.project import build_arguments
from pipelines.transform.variables import dbt_vars

DBT_DIRECTORY = Path(__file__).parents[2] / "dbt"


def test_defaults_of_the_project_are_the_default_policy() -> None:
    project = yaml.safe_load((DBT_DIRECTORY / "dbt_project.yml").read_text())
    assert project["vars"]["rotation"] == dbt_vars(Policy())


def test_every_variable_is_used_and_every_used_one_is_declared() -> None:
    files = [*(DBT_DIRECTORY / "models").rglob("*.sql"), *(DBT_DIRECTORY / "macros").rglob("*.sql")]
    used = {name for path in files for name in re.findall(r"""var\(["'](\w+)["']""", path.read_text())}
    assert used == dbt_vars(Policy()).keys()


def test_changed_policy_reaches_dbt_as_json() -> None:
    policy = parse_policy({"windows": {"baseline": 60}, "leaders": {"oi_weight_cap": "1/2"}})
    variables = dbt_vars(policy, as_of_date=date(2025, 6, 1), known_at=datetime(2025, 6, 2, 0, 20, 0, 5))
    assert json.loads(json.dumps(variables)) == variables
    assert variables["windows_baseline"] == 60
    assert Fraction(variables["leaders_oi_weight_cap"]) == Fraction(1, 2)
    assert (variables["as_of_date"], variables["known_at"]) == ("2025-06-01", "2025-06-02 00:20:00.000005")


def test_change_of_any_policy_number_rebuilds_what_nights_have_kept() -> None:
    macro = (DBT_DIRECTORY / "macros" / "incremental.sql").read_text()
    listed = re.search(r"macro rule_variables\(\).*?return\(\[(.*?)\]\)", macro, re.DOTALL)
    assert listed is not None
    of_a_night = {"as_of_date", "macros_sha256", "strategic_weights"}
    assert set(re.findall(r"'(\w+)'", listed[1])) == dbt_vars(Policy()).keys() - of_a_night


def test_strategic_weights_of_the_portfolio_reach_dbt_as_exact_text() -> None:
    weights = {"L1": Fraction(4, 10), "DEFI": Fraction(6, 10)}
    *_, text = build_arguments(Policy(), date(2025, 6, 1), weights)
    assert json.loads(text)["strategic_weights"] == {"L1": "2/5", "DEFI": "3/5"}
    assert json.loads(build_arguments(Policy(), date(2025, 6, 1))[-1])["strategic_weights"] is None


def test_the_mart_of_strategic_weights_shows_those_of_the_portfolio(dbt_build: Callable[[str], Any]) -> None:
    build = dbt_build("strategic_weights")
    # As text of SQL, a name with a quote in it would end the query.
    variables = dbt_vars(
        Policy(), strategic_weights={"L1": Fraction(1, 3), "DEFI": Fraction(2, 3), "it's": Fraction(0)}
    )
    select = ("build", "--select", "path:seeds", "int_sectors", "sector_weights")
    select = (*select, "--exclude-resource-type", "unit_test")
    build.dbt(*select, variables=variables)
    exact = {row["sector"]: row["strategic_weight_exact"] for row in build.query("from marts.sector_weights")}
    assert {sector: weight for sector, weight in exact.items() if weight != "0"} == {"L1": "1/3", "DEFI": "2/3"}
    assert len(exact) == 9
    build.dbt(*select)
    assert {row["sector"]: row["strategic_weight_exact"] for row in build.query("from marts.sector_weights")}[
        "L1"
    ] == "3/10"
