"""`rotation show`: the day asked for, in three forms."""

import csv
import io
import json

import pytest

from warehouse.contracts import TARGET_ALLOCATIONS


def test_table_gives_money_with_thousands_weights_in_percent_and_codes_joined(rotation, released):
    answer = rotation("show", "allocations", "--warehouse", released)
    assert answer.code == 0
    line = next(line for line in answer.out.splitlines() if line.strip().startswith("L1"))
    # 40% and 30% of the sleeve of 80,000
    for text in ("40.00", "30.00", "-10.00", "24,000.00", "-8,000.00", "LOSING_MOMENTUM"):
        assert text in line
    assert "TURNOVER_CAP, STEP_CAP" in " ".join(answer.out.split())
    assert "no orders; not investment advice" in answer.out
    assert "2026-11-20: sell $7,500.00 of ETH." in answer.out


@pytest.mark.parametrize(
    ("topic", "told", "left_out"),
    [
        ("assets", ["ETH", "12", "30,000.00", "22,500.00", "CALENDAR_TILT, old price, cannot be sold"], "NEAR"),
        ("orders", ["sell", "7,500.00", "3.75", "fees and slippage together 11.25 USD; no order was placed"], "buy"),
        ("value", ["100,000.00", "1,000.00", "80.25", "profit of hedge, costs inside", "-12.50"], "[red]"),
        ("sleeve", ["74,000.00", "CONCENTRATION: the role hedge", "spot-hedge -0.91 (75 days)", "[there] was no price",
                    "Idle collateral yields 0"], "spot-tactical"),
    ],
)  # fmt: skip
def test_the_portfolio_is_shown_in_words_that_need_no_table_description(rotation, released, topic, told, left_out):
    answer = rotation("show", topic, "--warehouse", released)
    words = " ".join(answer.out.split())
    assert [text for text in told if text not in words] == []
    assert answer.code == 0 and left_out not in answer.out


@pytest.mark.parametrize("topic", ["allocations", "signals", "hedges", "scenarios", "health", "orders", "assets"])
def test_table_fits_into_100_columns_and_has_the_rows(rotation, released, topic):
    answer = rotation("show", topic, "--warehouse", released)
    assert max(map(len, answer.out.splitlines())) <= 100
    assert "BTC-1" in answer.out or "L1" in answer.out or "BTC" in answer.out or "ETH" in answer.out
    assert "none on" not in answer.out


def test_sentences_are_wrapped_and_complete(rotation, released):
    answer = rotation("show", "signals", "--warehouse", released)
    words = " ".join(answer.out.split())
    assert "Open interest -9.3% in 7 days (limit -5%);" in words
    assert "was NEUTRAL" in answer.out


def test_json_has_the_columns_and_values_as_stored(rotation, released):
    answer = rotation("show", "allocations", "--format", "json", "--warehouse", released)
    rows = json.loads(answer.out)
    assert [row["sector"] for row in rows] == ["L1", "CASH"]
    assert list(rows[0]) == list(TARGET_ALLOCATIONS.columns)
    assert rows[0]["as_of_date"] == "2026-11-20"
    assert rows[0]["delta_weight_frac"] == 0.3 - 0.4  # every digit of the double: -0.10000000000000003
    assert rows[0]["reason_codes"] == ["TURNOVER_CAP", "STEP_CAP"]
    assert rows[1]["state"] is None


def test_csv_has_a_header_and_reads_back_equal(rotation, released):
    answer = rotation("show", "allocations", "--format", "csv", "--warehouse", released)
    first, second = csv.DictReader(io.StringIO(answer.out))
    assert list(first) == list(TARGET_ALLOCATIONS.columns)
    assert float(first["delta_weight_frac"]) == 0.3 - 0.4
    assert json.loads(first["reason_codes"]) == ["TURNOVER_CAP", "STEP_CAP"]
    assert second["state"] == ""  # unknown


def test_a_simulated_release_is_labelled_loudly(rotation, released):
    assert "*** SIMULATED ***" in rotation("show", "signals", "--warehouse", released).out


def test_the_label_stays_out_of_machine_readable_output(rotation, released):
    for form in ("csv", "json"):
        answer = rotation("show", "signals", "--format", form, "--warehouse", released)
        assert "SIMULATED" not in answer.out
        assert "*** SIMULATED ***" in answer.err


def test_a_recorded_release_says_so_and_a_live_one_has_no_warning(rotation, publish_release, tmp_path):
    publish_release(tmp_path, "recorded")
    assert "*** RECORDED ***" in rotation("show", "health", "--warehouse", tmp_path).out
    publish_release(tmp_path, "live")
    answer = rotation("show", "health", "--warehouse", tmp_path)
    assert "***" not in answer.out and "source: live" in answer.out
    assert rotation("show", "health", "--format", "csv", "--warehouse", tmp_path).err == ""


def test_the_newest_day_is_the_default_and_an_earlier_one_can_be_asked_for(rotation, released):
    def days(*options):
        rows = json.loads(rotation("show", "signals", "--format", "json", "--warehouse", released, *options).out)
        return [row["as_of_date"] for row in rows]

    assert days() == ["2026-11-20"]
    assert days("--date", "2026-11-19") == ["2026-11-19"]


def test_a_day_without_rows_ends_with_2_and_says_which_days_there_are(rotation, released):
    answer = rotation("show", "signals", "--date", "2026-11-01", "--warehouse", released)
    assert (answer.code, answer.out) == (2, "")
    assert "no signals for 2026-11-01" in answer.err
    assert "2026-11-19, 2026-11-20" in answer.err


def test_a_decided_day_without_a_hedge_is_an_answer_and_not_an_error(rotation, released):
    answer = rotation("show", "hedges", "--date", "2026-11-19", "--format", "json", "--warehouse", released)
    assert (answer.code, json.loads(answer.out)) == (0, [])
    table = rotation("show", "hedges", "--date", "2026-11-19", "--warehouse", released)
    assert "none on 2026-11-19" in table.out


def test_a_day_without_a_decision_says_why(rotation, released):
    answer = rotation("show", "allocations", "--date", "2026-11-19", "--warehouse", released)
    assert "no trade: NOT_A_DECISION_DAY" in answer.out


def test_text_from_data_is_not_taken_for_markup(rotation, released):
    assert "partial: [red]75%" in rotation("show", "health", "--warehouse", released).out


def test_without_a_release_it_says_how_to_make_one(rotation, tmp_path):
    answer = rotation("show", "signals", "--warehouse", tmp_path)
    assert answer.code == 2
    assert "rotation run" in answer.err and "Traceback" not in answer.err


def test_health_names_the_exchanges_that_were_left_out(rotation, released):
    words = " ".join(rotation("show", "health", "--warehouse", released).out.split())
    assert "left out: mexc: newest" in words
