"""Recorded markets decided for real, from the wire format to the release: every day, once, and the same again."""

from datetime import date, timedelta

import polars as pl
import pytest

from warehouse.connection import Warehouse

STATES = {
    "STALE", "NO_DATA", "OVERLEVERAGED", "LOSING_MOMENTUM", "UNSTABLE", "CAPITULATION", "ACCUMULATION", "NEUTRAL",
}  # fmt: skip
DECIDED = (
    "decisions", "sector_signals", "target_allocations", "asset_targets", "rebalance_trades", "hedges",
    "hedge_scenarios", "futures_sleeve", "ledger", "nav_daily", "allocation_snapshots",
)  # fmt: skip
MARTS = (
    "asset_futures_daily", "sector_funding_daily", "sector_open_interest_daily", "sector_spreads_daily",
    "calendar_spreads_daily", "data_health_daily",
)  # fmt: skip
NOT_THE_DECISION = ("decided_at", "code_version", "taken_at")  # when and by which code


def test_every_day_of_the_range_is_decided_once(decided_range):
    decisions = _read(
        decided_range.directory, "select as_of_date, decision_id, input_hash, status from portfolio.decisions"
    )
    assert sorted(decisions["as_of_date"]) == _days(decided_range.first_day, decided_range.last_day)
    assert decisions["decision_id"].n_unique() == decisions.height
    assert decisions["input_hash"].n_unique() == decisions.height
    assert set(decisions["status"]) == {"decided"}


def test_every_sector_has_a_state_an_action_and_a_sentence_on_every_day(decided_range):
    signals = _read(decided_range.directory, "from portfolio.sector_signals")
    days = len(_days(decided_range.first_day, decided_range.last_day))
    sectors = _read(decided_range.directory, "from marts.sector_weights")["sector"]
    assert signals.height == days * len(sectors)
    assert signals.select(pl.col("state", "action", "explanation").null_count().sum()).row(0) == (0, 0, 0)
    assert set(signals["state"]) <= STATES
    assert {"NEUTRAL", "ACCUMULATION", "LOSING_MOMENTUM"} <= set(signals["state"])


def test_targets_are_the_sleeve_to_the_cent_on_every_day(decided_range):
    off = _read(
        decided_range.directory,
        """
        select as_of_date, sum(round(target_usd * 100)) - any_value(round(spot_sleeve_usd * 100)) as cents_off
        from portfolio.target_allocations join portfolio.decisions using (decision_id, as_of_date)
        group by as_of_date
        """,
    )
    assert off.height == len(_days(decided_range.first_day, decided_range.last_day))
    assert set(off["cents_off"]) == {0}


def test_a_range_of_coins_of_33_sectors_is_decided(run_nights, real_data_dir, tmp_path):
    # the recording has 138 days, and a decision rests on the 132 before it
    first_day, last_day = date(2025, 9, 10), date(2025, 9, 15)
    night = run_nights(real_data_dir / "sectors_33", tmp_path, first_day, last_day)
    assert night.outcome.exit_code == 0, night.outcome.message
    signals = _read(tmp_path, "select as_of_date, sector, state from portfolio.sector_signals")
    assert sorted(signals["as_of_date"].unique()) == _days(first_day, last_day)
    assert set(signals["state"]) <= STATES
    watched = signals.filter(pl.col("sector").is_in(["STORE_OF_VALUE", "L1", "L2", "DEFI", "MEMES", "PAYMENTS"]))
    assert "NO_DATA" not in set(watched["state"])


def test_quarterly_contracts_give_calendar_spreads_with_plausible_values(run_nights, real_data_dir, tmp_path):
    day = date(2024, 3, 10)  # bitcoin near its high, leverage dear
    night = run_nights(real_data_dir / "quarterlies", tmp_path, day, day)
    assert night.outcome.exit_code == 0, night.outcome.message
    curve = _read(tmp_path, "from marts.calendar_spreads_daily").filter(
        pl.col("date").is_between(date(2024, 1, 1), day)
    )
    assert set(curve["asset"]) == {"BTC", "ETH"}
    # 2024-03-29 is the front until seven days before it, 2024-06-28 the far contract
    assert set(curve["front_symbol"]) == {"BTC/USDT:USDT-240329", "ETH/USDT:USDT-240329"}
    assert set(curve["far_symbol"]) == {"BTC/USDT:USDT-240628", "ETH/USDT:USDT-240628"}
    assert curve["front_basis_annualised"].is_between(0.02, 0.6).all()
    assert set(curve["shape"]) <= {"CONTANGO", "HUMP"}
    on_day = curve.filter((pl.col("date") == day) & (pl.col("asset") == "BTC")).row(0, named=True)
    assert on_day["front_days"] == pytest.approx(18 + 8 / 24)  # from 11 March 00:00 to 29 March 08:00
    assert on_day["front_basis_annualised"] > 0.15
    assert on_day["is_front_rich"] is (
        on_day["front_basis_annualised"] >= 0.2
        and round(on_day["front_basis_annualised"] - on_day["far_basis_annualised"], 9) >= 0.1
    )


def test_nights_one_after_the_other_and_the_whole_range_at_once_decide_the_same(
    run_nights, small_market, market_days, yesterday
):
    first_day, last_day = market_days
    for day in (last_day - timedelta(days=1), last_day):
        night = run_nights(small_market, yesterday, day, day)
        assert night.outcome.exit_code == 0, night.outcome.message
    one_by_one = _tables(yesterday)
    whole = run_nights(small_market, yesterday, first_day, last_day)
    assert whole.outcome.exit_code == 0, whole.outcome.message
    again = _tables(yesterday)
    assert one_by_one["portfolio.decisions"].height == len(_days(first_day, last_day))
    assert one_by_one["portfolio.hedges"].height > 0
    for name, before in one_by_one.items():
        assert before.equals(again[name]), name


def _tables(directory) -> dict[str, pl.DataFrame]:
    """What a release says, in a fixed order, without the instants at which it was said."""
    names = [*(f"portfolio.{name}" for name in DECIDED), *(f"marts.{name}" for name in MARTS)]
    frames = {name: _read(directory, f"from {name}") for name in names}
    frames = {name: frame.drop(NOT_THE_DECISION, strict=False) for name, frame in frames.items()}
    return {name: frame.sort([c for c in frame.columns if frame[c].dtype != pl.List]) for name, frame in frames.items()}


def _read(directory, sql: str) -> pl.DataFrame:
    with Warehouse(directory).open_release() as connection:
        return connection.execute(sql).pl()


def _days(first_day: date, last_day: date) -> list[date]:
    return [first_day + timedelta(days=offset) for offset in range((last_day - first_day).days + 1)]
