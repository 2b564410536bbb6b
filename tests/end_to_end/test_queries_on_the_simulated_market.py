"""Every prepared question asked of a release of the simulated market; some answers are computed again in Polars."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from warehouse.connection import Connection, Warehouse
from warehouse.named_queries import find_query, list_queries, run_named

FIRST_DAY, LAST_DAY = date(2026, 10, 8), date(2026, 11, 21)
# Two healthy exchanges, no blocked gate and no halted night: nothing to say about these.
MAY_BE_EMPTY = {"halted_decisions", "gate_failures", "quarantine_by_rule", "left_out", "open_hedges", "data_gaps"}
MAY_BE_EMPTY |= {"open_interest_without_price", "changed_since_yesterday"}

PROJECT = Path(__file__).parents[2]
DOC = (PROJECT / "docs" / "sql.md").read_text(encoding="utf-8")

Table = Callable[[str], pl.DataFrame]
Ask = Callable[..., pl.DataFrame]


@pytest.fixture(scope="module")
def directory(dagster_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 45 days of the simulated market on two exchanges."""
    from pipelines.nightly import run
    from pipelines.settings import load_settings

    directory = tmp_path_factory.mktemp("simulated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(dagster_home))
        settings = load_settings(source="simulated", exchanges=("binance", "bybit"), warehouse_dir=directory)
        outcome = run(settings, first_day=FIRST_DAY, last_day=LAST_DAY)
    assert outcome.exit_code == 0, outcome.message
    return directory


@pytest.fixture(scope="module")
def simulated(directory: Path) -> Iterator[Connection]:
    with Warehouse(directory).open_release() as con:
        yield con


@pytest.fixture(scope="module")
def table(simulated: Connection) -> Table:
    return lambda name: simulated.cursor().execute(f"from {name}").pl()


@pytest.fixture(scope="module")
def ask(simulated: Connection) -> Ask:
    def answer(name: str, **given: str) -> pl.DataFrame:
        rows = run_named(simulated, find_query(name), given)
        return pl.DataFrame(list(rows.rows), schema=list(rows.columns), orient="row", infer_schema_length=None)

    return answer


def close(computed: pl.Series, answered: pl.Series) -> bool:
    """Equal to eleven digits, unknown where the other is unknown."""
    assert computed.is_null().to_list() == answered.is_null().to_list()
    return computed.drop_nulls().to_list() == pytest.approx(answered.drop_nulls().to_list(), rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("name", [named.name for named in list_queries()])
def test_every_question_is_answered(ask: Ask, name: str) -> None:
    answer = ask(name)
    assert answer.columns == list(find_query(name).columns)
    assert answer.height > 0 or name in MAY_BE_EMPTY


@pytest.mark.parametrize("name", [named.name for named in list_queries() if "date" in named.parameters])
def test_without_a_date_the_newest_day_is_answered(ask: Ask, name: str) -> None:
    assert ask(name).equals(ask(name, date=str(LAST_DAY)))


def test_the_sector_above_the_market_is_the_one_with_the_largest_excess(ask: Ask, table: Table) -> None:
    tonight = table("marts.sector_funding_daily").filter(pl.col("date") == LAST_DAY)
    expected = tonight.sort("market_excess_bps", descending=True, nulls_last=True)
    answer = ask("funding_above_market")
    assert answer["sector"][0] == expected["sector"][0]
    assert close(expected["market_excess_bps"], answer["market_excess_bps"])


def test_the_range_of_funding_is_that_of_the_ninety_days_before(ask: Ask, table: Table) -> None:
    sector = table("marts.sector_funding_daily").filter(pl.col("sector") == "L1").sort("date")
    before = pl.col("funding_3d_bps").shift(1)
    expected = sector.select(
        low=before.rolling_min(90, min_samples=1),
        high=before.rolling_max(90, min_samples=1),
        median=before.rolling_median(90, min_samples=1),
    ).tail(60)
    answer = ask("funding_history", sector="l1", days="60")
    for computed, answered in (("low", "low_90d_bps"), ("high", "high_90d_bps"), ("median", "median_90d_bps")):
        assert close(expected[computed], answer[answered])


def test_what_followed_each_state_is_a_join_with_the_index_fourteen_days_later(ask: Ask, table: Table) -> None:
    index = table("marts.sector_open_interest_daily").select("date", "sector", "spot_price_index")
    later = index.with_columns(pl.col("date") - timedelta(days=14)).rename({"spot_price_index": "later"})
    states = table("portfolio.sector_signals").select("sector", "state", date="as_of_date")
    returns = (
        states.join(index, on=["date", "sector"], how="left")
        .join(later, on=["date", "sector"], how="left")
        .with_columns(frac=pl.col("later") / pl.col("spot_price_index") - 1)
    )
    expected = (
        returns.group_by("state")
        .agg(
            n=pl.len(),
            known=pl.col("frac").count(),
            falls=(pl.col("frac") <= -0.05).sum(),
            median=pl.col("frac").median(),
        )
        .sort(["n", "state"], descending=[True, False])
    )
    answer = ask("what_followed_each_state")
    for computed, answered in (("state", "state"), ("n", "n"), ("known", "n_known"), ("falls", "falls")):
        assert expected[computed].to_list() == answer[answered].to_list()
    assert close(expected["median"], answer["median_return_frac"])
    assert answer["n"].sum() == states.height and answer["n_known"].sum() > 200


def test_turnover_is_what_the_targets_moved_and_agrees_with_the_decisions(ask: Ask, table: Table) -> None:
    targets = table("portfolio.target_allocations")
    moved = targets.filter((pl.col("as_of_date") > FIRST_DAY) & (pl.col("sector") != "CASH"))
    expected = (
        moved.group_by("sector")
        .agg(
            sold=(-pl.col("delta_weight_frac")).clip(0).sum(),
            cuts=(pl.col("action").is_in(["REDUCE", "TRIM"]) & (pl.col("delta_usd") < 0)).sum(),
        )
        .sort("sector")
    )
    answer = ask("turnover_and_cuts")
    assert close(expected["sold"], answer["sold_frac"])
    assert expected["cuts"].to_list() == answer["cuts"].to_list() and answer["cuts"].sum() > 5
    # One-way turnover of a night is the larger of what was sold and bought; a night never buys more than it sold
    # and had in cash, so the year's sales are at most the sum of the nights' turnovers.
    turnover = table("portfolio.decisions").filter(pl.col("as_of_date") > FIRST_DAY)["turnover_frac"].sum()
    assert 0 < answer["sold_frac"].sum() <= turnover + 1e-9


def test_the_past_falls_are_the_worst_windows_that_do_not_overlap(ask: Ask, table: Table) -> None:
    days = 7
    prices = table("marts.asset_futures_daily").filter(pl.col("asset") == "ETH").sort("date")
    closes, funding = prices["spot_close_usd"].to_list(), prices["funding_8h_bps"].to_list()
    returns = {end: closes[end] / closes[end - days] - 1 for end in range(days, len(closes)) if closes[end - days]}
    worst = [
        end
        for end, value in returns.items()
        if value < -0.05 and all(value < returns[o] for o in range(end - 6, end + 7) if o in returns and o != end)
    ]
    expected: list[Any] = []
    for end in reversed(worst):
        paid = funding[end - days + 1 : end + 1]
        carry = None if None in paid else 2000 * sum(paid) * 3e-4 * (1 + returns[end] / 2)
        expected.append((prices["date"][end], None if carry is None else -2000 * returns[end] + carry - 2.8))
    answer = ask("hedge_in_past_falls", asset="eth")
    assert answer["to_date"].to_list() == [day for day, _ in expected][:10] and len(expected) > 3
    assert close(pl.Series([usd for _, usd in expected][:10], dtype=pl.Float64), answer["given_back_usd"])


def test_exchanges_are_compared_on_the_same_hours(ask: Ask, table: Table) -> None:
    rates = table("raw.funding_rates")  # UNI has one perpetual on each of the two
    expected = (
        rates.filter(pl.col("symbol") == "UNI/USDT:USDT")
        .sort("settled_at")
        .with_columns(hours=pl.col("settled_at").diff().over("exchange").dt.total_hours())
        .filter(pl.col("settled_at") > rates["settled_at"].max() - timedelta(days=3))
        .group_by("exchange")
        .agg(bps=pl.col("funding_rate").sum() / pl.col("hours").sum() * 8e4, settlements=pl.len())
        .sort("exchange")
    )
    answer = ask("funding_by_exchange", asset="UNI").sort("exchange")
    assert expected["exchange"].to_list() == answer["exchange"].to_list() == ["binance", "bybit"]
    assert close(expected["bps"], answer["funding_8h_bps"])
    assert expected["settlements"].to_list() == answer["settlements"].to_list()


def test_the_largest_movers_of_open_interest_are_those_in_coins_at_todays_price(ask: Ask, table: Table) -> None:
    assets = table("marts.asset_futures_daily")
    now = assets.filter(pl.col("date") == LAST_DAY)
    then = assets.filter(pl.col("date") == LAST_DAY - timedelta(days=7)).select("asset", then="open_interest_base")
    moved = now.join(then, on="asset").with_columns(
        usd=(pl.col("open_interest_base") - pl.col("then"))
        * pl.col("open_interest_usd") / pl.col("open_interest_base")
    )  # fmt: skip
    expected = moved.drop_nulls("usd").sort(pl.col("usd").abs(), descending=True).head(10)
    answer = ask("open_interest_movers")
    assert expected["asset"].to_list() == answer["asset"].to_list() and close(expected["usd"], answer["moved_usd"])


@pytest.mark.parametrize("program", re.findall(r"^```python\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL))
def test_the_python_of_the_documentation_runs(directory: Path, program: str) -> None:
    assert "warehouse/data" in program
    # A process of its own: DuckDB refuses a second connection of one process that is configured otherwise.
    command = [sys.executable, "-c", program.replace("warehouse/data", str(directory))]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_the_documentation_lists_every_question_with_its_defaults() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", DOC, re.MULTILINE))
    for named in list_queries():
        defaults = [f"`{parameter.name}` ({parameter.default})" for parameter in named.parameters.values()]
        assert listed.pop(named.name) == f"{named.question} | {', '.join(defaults) or 'none'}"
    assert listed == {}
