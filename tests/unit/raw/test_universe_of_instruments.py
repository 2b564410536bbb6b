"""Which of an exchange's instruments are read."""

from datetime import date, datetime

import polars as pl
import pytest

from pipelines.exchanges.port import INSTRUMENT_COLUMNS
from pipelines.raw.universe import select_instruments
from pipelines.seeds import Assets, SeedError, read_assets
from pipelines.settings import SEEDS_DIRECTORY

START, END = datetime(2024, 1, 1), datetime(2024, 7, 1)
ALIASES = pl.DataFrame(
    {
        "base": ["1000PEPE", "MATIC", "LUNA"],
        "asset": ["PEPE", "POL", "LUNC"],
        "valid_from": [None, None, date(2019, 1, 1)],
        "valid_to": [None, None, date(2022, 5, 28)],  # later the name LUNA stands for another coin
    },
    schema_overrides={"valid_from": pl.Date, "valid_to": pl.Date},
)
ASSETS = Assets(frozenset({"BTC", "PEPE", "POL", "LUNC"}), ALIASES)


def instrument(symbol, market_type="perpetual", **changes):
    pair, _, settle = symbol.partition(":")
    base, quote = pair.split("/")
    row = dict.fromkeys(INSTRUMENT_COLUMNS) | {
        "exchange": "binance",
        "symbol": symbol,
        "market_type": market_type,
        "base": base,
        "quote": quote,
        "settle": settle.split("-")[0] or None,
        "is_active": True,
    }
    return row | changes


def selected(*rows, dated_assets=("BTC",), start=START, end=END):
    frame = pl.DataFrame(rows, schema=INSTRUMENT_COLUMNS, orient="row")
    chosen = select_instruments(frame, ASSETS, dated_assets=dated_assets, start=start, end=end)
    return chosen.select("symbol", "asset").rows()


def test_spot_perpetuals_of_both_margins_and_dated_contracts_come_in_a_fixed_order():
    rows = [
        instrument("POL/USDT:USDT-240628", "dated", expiry_at=datetime(2024, 6, 28, 8)),
        instrument("BTC/USDT:USDT-240628", "dated", expiry_at=datetime(2024, 6, 28, 8)),
        instrument("BTC/USD:BTC"),
        instrument("1000PEPE/USDT:USDT"),
        instrument("BTC/USDT", "spot"),
    ]
    expected = [
        ("BTC/USDT", "BTC"),
        ("1000PEPE/USDT:USDT", "PEPE"),
        ("BTC/USD:BTC", "BTC"),
        ("BTC/USDT:USDT-240628", "BTC"),  # POL is no asset whose dated contracts are asked for
    ]
    assert selected(*rows) == expected
    assert selected(*reversed(rows)) == expected


@pytest.mark.parametrize(
    "row",
    [
        instrument("BTC/EUR", "spot"),
        instrument("BTC/USDC:USDC"),
        instrument("BTC/USD:USDC"),
        instrument("BTC/USD:BTC-240628", "dated", expiry_at=datetime(2024, 6, 28, 8)),
        instrument("DOGE/USDT:USDT"),
    ],
)
def test_other_quotes_margins_and_assets_stay_out(row):
    assert selected(row) == []


def test_a_coin_that_was_delisted_within_the_window_keeps_its_history():
    gone = instrument("MATIC/USDT:USDT", is_active=False, delist_at=datetime(2024, 3, 1))
    silent = instrument("MATIC/USDT", "spot", is_active=False)  # nobody says since when
    assert selected(gone, silent) == [("MATIC/USDT", "POL"), ("MATIC/USDT:USDT", "POL")]


def test_what_ended_before_the_window_or_starts_after_it_stays_out():
    ended = instrument("BTC/USDT:USDT-231229", "dated", expiry_at=datetime(2023, 12, 29, 8))
    delisted = instrument("MATIC/USDT:USDT", delist_at=START)
    coming = instrument("POL/USDT:USDT", listed_at=END)
    assert selected(ended, delisted, coming) == []


def test_a_name_counts_only_while_it_stood_for_the_asset():
    rows = [instrument("LUNA/USDT:USDT")]
    assert selected(*rows) == []
    assert selected(*rows, start=datetime(2022, 1, 1)) == [("LUNA/USDT:USDT", "LUNC")]


def test_the_projects_seeds_can_be_read_and_map_the_names_of_the_exchanges():
    by_base = read_assets(SEEDS_DIRECTORY).by_base(date(2024, 1, 1), date(2024, 2, 1))
    assert by_base["BTC"] == "BTC"
    assert by_base["1000PEPE"] == "PEPE"
    assert by_base["MATIC"] == "POL"


def test_a_seed_that_is_missing_or_points_nowhere_says_which_and_what_to_do(tmp_path):
    with pytest.raises(SeedError, match=r"asset_sectors\.csv: cannot be read .* restore the file"):
        read_assets(tmp_path)
    (tmp_path / "asset_sectors.csv").write_text("asset,sector\nBTC,L1\n")
    (tmp_path / "asset_symbols.csv").write_text("base,asset\nX,Y\n")
    with pytest.raises(
        SeedError, match=r"asset_symbols\.csv: lacks the columns multiplier, ratio, valid_from, valid_to"
    ):
        read_assets(tmp_path)
    (tmp_path / "asset_symbols.csv").write_text("base,asset,multiplier,ratio,valid_from,valid_to\nX,Y,1,1,,\n")
    with pytest.raises(SeedError, match=r"Y has no sector; add it to asset_sectors\.csv"):
        read_assets(tmp_path)
