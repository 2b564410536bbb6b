"""The table for people and the rows for the code say the same."""

from dataclasses import replace
from pathlib import Path

from pipelines.exchanges.capabilities import CAPABILITIES
from pipelines.exchanges.registry import ADAPTERS

AS_KEPT = "as far as the exchange keeps it"
DOCS = Path(__file__).parents[3] / "docs" / "exchanges.md"


def documented() -> dict[str, dict[str, str]]:
    lines = DOCS.read_text().split("## What each exchange offers")[1].strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    head, _, *rows = cells[: next((i for i, row in enumerate(cells) if row[0].startswith("binance,")), len(cells))]
    return {
        name: {row[0]: row[column] for row in rows if len(row) > column} for column, name in enumerate(head) if name
    }


def test_the_documented_capabilities_are_those_of_the_code():
    table = documented()
    assert set(table) == set(CAPABILITIES)
    for name, row in CAPABILITIES.items():
        days = row.open_interest_history_days
        assert table[name]["market types"] == ", ".join(row.market_types)
        assert table[name]["futures prices"] == ", ".join(row.price_types)
        assert table[name]["timeframes"] == ", ".join(row.timeframes)
        assert table[name]["candles per reply"] == str(row.candle_page)
        assert table[name]["funding settlements per reply"] == str(row.funding_page)
        assert table[name]["open interest rows per reply"] == str(row.open_interest_page)
        assert table[name]["open interest periods"] == ", ".join(row.open_interest_periods)
        kept = f"{days} days" if days else AS_KEPT
        assert table[name]["open interest history"] == (kept if row.open_interest_page else "none")
        assert table[name]["open interest now"] == row.open_interest_now
        assert table[name]["funding history"] == (
            f"{row.funding_history_days} days" if row.funding_history_days else AS_KEPT
        )
        assert table[name]["funding now"] == row.funding_now


def test_every_adapter_has_a_row_of_capabilities():
    assert set(ADAPTERS) == set(CAPABILITIES)


def test_a_timeframe_that_an_exchange_does_not_have_is_absent_with_what_it_has_instead():
    reason = CAPABILITIES["bybit"].absence("spot_ohlcv", None, "8h")
    assert reason is not None and reason.startswith("bybit has no 8h rows of it; it has 1m, 3m")
    assert CAPABILITIES["binance"].absence("spot_ohlcv", None, "8h") is None
    assert CAPABILITIES["bybit"].absence("open_interest", None, "12h") is not None
    assert CAPABILITIES["bybit"].absence("funding_rates", None, None) is None


def test_what_is_not_offered_has_a_reason_by_dataset_or_by_price_type():
    absent = {"open_interest": "only the current value", "futures_ohlcv/index": "no index candles"}
    row = replace(CAPABILITIES["binance"], absences=absent)
    assert row.absence("open_interest", None, "1d") == "only the current value"
    assert row.absence("futures_ohlcv", "index", "1d") == "no index candles"
    assert row.absence("futures_ohlcv", "mark", "1d") is None
    assert row.absence("spot_ohlcv", None, "1d") is None
