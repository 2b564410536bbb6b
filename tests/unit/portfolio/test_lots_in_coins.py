"""What an instrument's lots are in coins, for the prices per coin that the portfolio counts with."""

import duckdb
import pytest

from pipelines.portfolio import futures_market, spot_market


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        connection.execute("create schema raw; create schema seeds")
        connection.execute(
            "create table seeds.asset_symbols as select * from (values ('1000PEPE', 'PEPE', 1000, 1), "
            "('MKR', 'SKY', 1, 24000)) as _ (base, asset, multiplier, ratio)"
        )
        connection.execute(
            "create table raw.instruments as select 'x' as exchange, base || '/USDT' as symbol, market_type, base, "
            "true as is_linear, 1.0 as contract_size, contract_multiplier, lot_step, 5.0 as min_notional_usd, "
            "null::timestamp as delist_at, true as is_active, timestamp '2025-01-01' as ingested_at from (values "
            "('BTC', 1.0, 0.001), ('1000PEPE', 1000.0, 1.0), ('1MBABYDOGE', 1e6, 1.0), ('MKR', 1.0, 0.001), "
            "('NEW', 1.0, null)) as _ (base, contract_multiplier, lot_step), "
            "(values ('spot'), ('perpetual')) as kinds (market_type)"
        )
        yield connection


@pytest.mark.parametrize("terms", [spot_market._TERMS, futures_market._TERMS], ids=["spot", "perpetual"])
def test_a_lot_of_a_contract_on_a_thousand_coins_is_a_thousand_coins(connection, terms):
    found = {row["symbol"]: row["lot_step_base"] for row in connection.execute(terms).pl().to_dicts()}
    assert found == {
        "BTC/USDT": 0.001,
        "1000PEPE/USDT": 1000.0,
        "1MBABYDOGE/USDT": 1e6,  # not in the seed: its name says it
        "MKR/USDT": 24.0,  # 0.001 MKR of 24,000 SKY each
        "NEW/USDT": None,
    }
