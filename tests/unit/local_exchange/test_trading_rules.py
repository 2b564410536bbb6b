"""Steps and smallest orders: what follows from a reference price, what a recording states, what ccxt reads of it."""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.local_exchange.recorded import RecordedMarket
from pipelines.local_exchange.recorded_files import BadRecording
from pipelines.local_exchange.simulation import SimulatedMarket
from pipelines.local_exchange.simulation.catalogue import EXCHANGES
from pipelines.local_exchange.trading_rules import TradingRules, usual_rules
from tests.unit.local_exchange.recordings import HOUR, Recorded, ms, write

START, NOW = datetime(2024, 3, 1), datetime(2024, 3, 1, 5)
SPOT, PERP, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"


def rules(exchange: str, kind: str, base: str, price: float | None, size: float = 1.0, **terms: Any) -> TradingRules:
    return usual_rules(exchange, kind, base, price, size, **({"is_inverse": False} | terms))


@pytest.mark.parametrize(
    ("exchange", "kind", "base", "price", "size", "step"),
    [
        ("binance", "spot", "BTC", 60_000.0, 1.0, 0.00001),  # $0.60; 0.0001 would be $6
        ("binance", "spot", "ETH", 3_000.0, 1.0, 0.0001),  # $0.30
        ("binance", "perp", "BTC", 60_000.0, 1.0, 0.001),  # $60; 0.01 would be $600
        ("binance", "perp", "BTC", 50_000.0, 1.0, 0.001),
        ("binance", "dated", "ETH", 3_000.0, 1.0, 0.01),  # $30
        ("binance", "spot", "DOGE", 0.15, 1.0, 1.0),  # ten would be $1.50
        ("binance", "spot", "PEPE", 1e-5, 1.0, 1.0),  # worth next to nothing, but no coins are dealt by the hundred
        ("binance", "perp", "1000PEPE", 0.01, 1.0, 1.0),
        ("binance", "perp", "LTC", 100.0, 1.0, 1.0),  # exactly $100
        ("weex", "perp", "BTC", 60_000.0, 1e-4, 0.0001),  # one contract, $6
        ("mexc", "perp", "PEPE", 1e-5, 1e7, 1e7),  # one contract, exactly $100
        ("okx", "perp", "BTC", 60_000.0, 0.01, 0.0001),  # a hundredth of a contract
        ("okx", "perp", "DOGE", 0.15, 1_000.0, 10.0),
        ("okx", "spot", "SOL", 150.0, 1.0, 0.001),
        ("mexc", "perp", "BTC", 60_000.0, 1.0, 0.001),  # a recording knows no size: a whole coin would be $60,000
    ],
)
def test_a_step_is_a_coin_or_contract_or_the_power_of_ten_worth_a_dollar_or_a_hundred(
    exchange: str, kind: str, base: str, price: float, size: float, step: float
) -> None:
    assert rules(exchange, kind, base, price, size).lot_step == step


def test_coin_margined_contracts_are_traded_one_by_one_and_on_bitget_in_coins() -> None:
    assert rules("binance", "perp", "BTC", 60_000.0, 100.0, is_inverse=True) == TradingRules(1.0, 0.1, None)
    assert rules("bitget", "perp", "BTC", 60_000.0, is_inverse=True) == TradingRules(0.001, 0.1, 5.0)


def test_prices_have_six_digits_and_an_unknown_price_gives_the_finest_steps_and_no_smallest_order() -> None:
    ticks = [rules("bybit", "spot", "X", price).tick_size for price in (60_000.0, 3_000.0, 0.15, 1e-5)]
    assert ticks == [0.1, 0.01, 1e-6, 1e-10]
    assert rules("bybit", "spot", "X", None) == TradingRules(1e-8, 1e-8, None)


@pytest.mark.parametrize(
    ("exchange", "spot", "perp"),
    [
        ("binance", 5, 5), ("bybit", 5, 5), ("bingx", 5, 2), ("weex", None, None), ("mexc", 1, None), ("bitget", 1, 5),
        ("okx", None, None),
    ],
)  # fmt: skip
def test_smallest_orders_are_known_where_the_exchange_publishes_one(
    exchange: str, spot: float | None, perp: float | None
) -> None:
    found = [rules(exchange, kind, "SOL", 150.0).min_notional_usd for kind in ("spot", "perp")]
    assert found == [spot, perp]


def test_binance_asks_for_more_of_bitcoin_and_ether_contracts() -> None:
    found = [rules("binance", "perp", base, 3_000.0).min_notional_usd for base in ("BTC", "ETH")]
    assert found == [100, 20] and rules("binance", "spot", "BTC", 3_000.0).min_notional_usd == 5


def test_the_simulated_rules_are_the_same_on_every_day() -> None:
    early, late = (SimulatedMarket(7, ms(datetime(year, 3, 1))) for year in (2023, 2026))
    for exchange in EXCHANGES:
        before = {each.symbol: each.rules for each in early.listings(exchange)}
        after = {each.symbol: each.rules for each in late.listings(exchange)}
        assert before and all(after[symbol] == rules for symbol, rules in before.items())


RECORDED = Recorded("binance", START, NOW)


def recorded_rules(folder: Path, now: datetime = NOW) -> dict[str, TradingRules]:
    return {each.symbol: each.rules for each in RecordedMarket(folder, ms(now)).listings("binance")}


def rising(symbol: str, *closes: float, **changes: Any) -> pl.DataFrame:
    frame = RECORDED.series(symbol, "1h", HOUR, START, len(closes), **changes)
    return frame.with_columns(close=pl.Series(closes, dtype=pl.Float64))


def test_recorded_rules_follow_the_first_close_of_trades_and_do_not_move_with_the_price(tmp_path: Path) -> None:
    perp = [rising(PERP, 50_000, 500_000, 5_000_000), rising(PERP, 7.0, price_type="mark")]
    funding = RECORDED.hourly("SOL/USDT:USDT", funding_rate=1e-4)
    cross = rising("ETH/BTC", 0.05, 0.05)  # worth 0.05 BTC, not 0.05 dollars
    write(tmp_path, {"perp_ohlcv": perp, "spot_ohlcv": [cross], "funding": [funding]})
    found = recorded_rules(tmp_path)
    assert found[PERP] == TradingRules(0.001, 0.1, 100.0) == recorded_rules(tmp_path, START + HOUR)[PERP]
    assert found["SOL/USDT:USDT"] == found["ETH/BTC"] == TradingRules(1e-8, 1e-8, None)


def stated(**columns: Any) -> pl.DataFrame:
    schema = {"lot_step": pl.Float64, "min_notional_usd": pl.Float64}
    return pl.DataFrame({"exchange": "binance", **columns}, schema_overrides=schema)


def test_a_recording_may_state_its_own_rules_and_leave_some_unknown(tmp_path: Path) -> None:
    own = stated(symbol=[SPOT, PERP, "ADA/USDT"], lot_step=[1e-8, None, 1.0], min_notional_usd=[None, 50.0, 1.0])
    candles = {"perp_ohlcv": [rising(PERP, 50_000)], "spot_ohlcv": [rising(SPOT, 50_000)]}
    found = recorded_rules(write(tmp_path, candles | {"instruments": [own]}))
    assert found == {SPOT: TradingRules(1e-8, 0.1, 5.0), PERP: TradingRules(0.001, 0.1, 50.0)}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"lot_step": 0.3}, "lot_step.*0.3.*write a power of ten, for example 0.001"),
        ({"lot_step": 0.0}, "lot_step.*0.0.*power of ten"),
        ({"min_notional_usd": 0.0}, "min_notional_usd.*write USD above 0"),
        ({"symbol": "BTCUSDT"}, "symbol.*BTCUSDT.*write BTC/USDT or BTC/USDT:USDT"),
    ],
)
def test_rules_that_no_exchange_could_state_are_refused(tmp_path: Path, columns: dict, message: str) -> None:
    own = stated(**({"symbol": [SPOT], "lot_step": None, "min_notional_usd": None} | columns))
    write(tmp_path, {"spot_ohlcv": [rising(SPOT, 50_000)], "instruments": [own]})
    with pytest.raises(BadRecording, match=message):
        RecordedMarket(tmp_path, ms(NOW))


def test_rules_alone_are_no_recording(tmp_path: Path) -> None:
    write(tmp_path, {"instruments": [stated(symbol=[SPOT], lot_step=1.0, min_notional_usd=None)]})
    with pytest.raises(BadRecording, match="holds no recorded data"):
        RecordedMarket(tmp_path, ms(NOW))


WIRE = {
    "binance": (
        {"filters": {"LOT_SIZE": "0.00001", "NOTIONAL": "5"}},
        {"filters": {"LOT_SIZE": "0.001", "MIN_NOTIONAL": "100"}},
    ),
    "bybit": (
        {"lotSizeFilter": {"basePrecision": "0.00001", "minOrderAmt": "5"}},
        {"lotSizeFilter": {"qtyStep": "0.001", "minNotionalValue": "5"}},
    ),
    "bingx": (
        {"stepSize": 1e-05, "minNotional": 5.0},
        {"quantityPrecision": 3, "tradeMinQuantity": 0.001, "tradeMinUSDT": 2.0},
    ),
    "weex": ({"stepSize": "0.00001", "tickSize": "0.1"}, {"quantityPrecision": "3", "minOrderSize": "0.001"}),
    "mexc": (
        {"baseAssetPrecision": 5, "baseSizePrecision": "0.00001", "quoteAmountPrecision": "1"}, {"volUnit": 0.001},
    ),
    "bitget": (
        {"quantityPrecision": "5", "minTradeUSDT": "1"},
        {"sizeMultiplier": "0.001", "volumePlace": "3", "minTradeUSDT": "5"},
    ),
    "okx": ({"lotSz": "0.00001", "minSz": "0.00001"}, {"lotSz": "0.001", "minSz": "0.001"}),
}  # fmt: skip
"""What stands on the wire of a BTC pair and perpetual that began at 50,000; contracts of one coin."""

SMALLEST = {"binance": (5, 100), "bybit": (5, None), "bingx": (5, 2), "mexc": (1, None), "bitget": (1, 5)}


def on_the_wire(info: dict[str, Any]) -> dict[str, Any]:
    """An instrument's own fields; Binance's filters by type, each as the one number that counts."""
    names = ("stepSize", "minNotional", "notional")
    filters = {
        each["filterType"]: next((each[name] for name in names if name in each), None)
        for each in info.get("filters") or []
    }
    return info | {"filters": filters}


@pytest.mark.parametrize("exchange", WIRE)
def test_ccxt_reads_steps_and_smallest_orders_in_the_exchanges_own_fields(exchange: str, tmp_path: Path) -> None:
    recorded = Recorded(exchange, START, NOW)
    prices = dict.fromkeys(("open", "high", "low", "close"), 50_000.0)
    spot, perp = recorded.candles(SPOT, **prices), recorded.candles(PERP, **prices)

    async def listed(client: Any) -> dict:
        client.has["fetchCurrencies"] = False
        return await client.load_markets()

    markets = recorded.ask(write(tmp_path, {"spot_ohlcv": [spot], "perp_ohlcv": [perp]}), listed)
    for place, (symbol, step) in enumerate({SPOT: 1e-5, PERP: 1e-3}.items()):
        market = markets[symbol]
        fields = on_the_wire(market["info"])
        for name, value in WIRE[exchange][place].items():
            found = {key: fields[name][key] for key in value} if isinstance(value, dict) else fields[name]
            assert found == value or str(found) == str(value), name
        assert market["precision"]["amount"] == step and market["precision"]["price"] == 0.1
        assert market["limits"]["cost"]["min"] == SMALLEST.get(exchange, (None, None))[place]
