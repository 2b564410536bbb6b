"""The scripted markets: exact where the examples need it, never constant, and as the rules are to read them."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
import yaml

from pipelines.examples import EXAMPLES, MADE_UP, write_files
from pipelines.examples.rotation import BOUGHT_USD, COST_USD, SOLD_USD
from pipelines.local_exchange.recorded_files import read_recording, recorded_days
from pipelines.policy import load_policy

both = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)


def _series(name):
    return {coin.asset: coin for coin in EXAMPLES[name].market()}


def _three_day_mean(daily, days_before_last=0):
    end = len(daily) - days_before_last
    return daily[end - 3 : end].mean()


@both
def test_every_coin_ends_at_exactly_its_price_spot_and_perpetual(example):
    prices = {
        "ETH": 2_000,
        "SOL": 160,
        "AVAX": 20,
        "UNI": 8,
        "AAVE": 160,
        "CRV": 0.5,
        "FET": 0.8,
        "WLD": 1,
        "GALA": 0.02,
    }
    prices["BTC"] = 50_000 if example.name == "overbought" else 60_000
    for coin in example.market():
        assert coin.spot_close_usd[-1] == coin.perp_close_usd[-1] == prices[coin.asset]


@both
def test_no_series_is_constant_and_none_is_random(example):
    first, again = example.market(), example.market()
    for coin, same in zip(first, again, strict=True):
        for name, values in vars(coin).items():
            if name != "asset":
                assert len(np.unique(values[-100:])) > 50, (coin.asset, name)
                assert np.array_equal(values, getattr(same, name))


@both
def test_written_market_is_a_recording_that_ends_on_the_decided_day(example, tmp_path):
    files = write_files(example, tmp_path)
    assert recorded_days(files.market)[1] == example.last_day
    recording = read_recording(files.market)
    assert set(recording.frames) == {"spot", "perp", "funding", "open_interest", "instruments"}
    assert not any(recording.dropped.values())
    days = len(example.market()[0].spot_close_usd)
    per_coin = recording.frames["funding"].group_by("symbol").len()["len"]
    assert set(per_coin) == {3 * days}
    # a day's open interest is that of its end, so the last one is stamped at the midnight after it
    last = recording.frames["open_interest"]["ts"].max()
    assert last == recording.frames["perp"]["ts"].max() + 24 * 3_600_000


def test_l1_loses_leverage_after_funding_peaked_on_both_of_the_last_days():
    for coin in (_series("rotation")[name] for name in ("ETH", "SOL", "AVAX")):
        for back in (0, 1):
            now = len(coin.open_interest_base) - 1 - back
            assert coin.open_interest_base[now] / coin.open_interest_base[now - 7] - 1 < -0.07  # limit -5%
            peak = max(_three_day_mean(coin.funding_8h_bps, days) for days in range(back, back + 28))
            assert peak > 4  # limit 2.5
            assert _three_day_mean(coin.funding_8h_bps, back) < 0.45 * peak  # limit 60%


def test_defi_trades_more_at_low_steady_funding_on_both_of_the_last_days():
    for coin in (_series("rotation")[name] for name in ("UNI", "AAVE", "CRV")):
        usd = coin.perp_volume_base * coin.perp_close_usd
        for back in (0, 1):
            end = len(usd) - back
            assert usd[end - 7 : end].mean() / usd[end - 35 : end - 7].mean() > 1.35  # limit 1.25
            assert coin.perp_close_usd[end - 1] / coin.perp_close_usd[end - 15] - 1 > 0.05  # above 0
            assert coin.funding_8h_bps[end - 14 : end].std() < 0.2  # limit 1


def test_high_beta_swings_in_price_and_funding_while_its_open_interest_stays():
    for coin in (_series("rotation")[name] for name in ("FET", "WLD", "GALA")):
        returns = np.diff(np.log(coin.perp_close_usd))
        windows = np.array([returns[end - 14 : end].std() for end in range(len(returns) - 90, len(returns) + 1)])
        recent = coin.funding_8h_bps[-14:]
        signs = np.sign(recent[np.abs(recent) >= 0.5])
        assert (windows[:-1] < windows[-1]).mean() > 0.9  # limit 80%
        assert recent.std() > 2  # limit 1, and twice the usual
        assert (np.diff(signs) != 0).sum() >= 4
        assert abs(coin.open_interest_base[-1] / coin.open_interest_base[-8] - 1) < 0.03


def test_bitcoin_crosses_three_basis_points_on_the_last_day_only():
    funding = _series("overbought")["BTC"].funding_8h_bps
    assert _three_day_mean(funding, 1) < 2.9
    assert _three_day_mean(funding, 0) > 3.2


@pytest.mark.parametrize(
    ("name", "sectors"),
    [
        ("rotation", {"ETH SOL AVAX": 32_000, "UNI AAVE CRV": 24_000, "FET WLD GALA": 24_000}),
        ("overbought", {"BTC": 20_000, "ETH SOL AVAX": 40_000, "UNI AAVE CRV": 20_000}),
    ],
)
def test_holdings_at_the_last_closes_are_worth_exactly_what_is_told(name, sectors):
    portfolio = yaml.safe_load(EXAMPLES[name].portfolio)
    prices = {asset: Fraction(str(coin.spot_close_usd[-1])) for asset, coin in _series(name).items()}
    worth = {one["asset"]: Fraction(str(one["quantity"])) * prices[one["asset"]] for one in portfolio["holdings"]}
    assert {coins: sum(worth[asset] for asset in coins.split()) for coins in sectors} == sectors
    assert sum(worth.values()) == 80_000
    assert portfolio["futures"]["collateral_usd"] == 20_000
    assert sum(Fraction(weight) for weight in portfolio["strategic_weights"].values()) == 1


def test_costs_told_are_the_closed_form_of_fee_and_slippage_on_both_sides(tmp_path):
    costs = load_policy(write_files(EXAMPLES["rotation"], tmp_path).policy).costs
    assert costs.slip_major == costs.slip_alt
    fee, slip = Fraction(str(costs.spot_fee)), Fraction(str(costs.slip_alt))
    bought = Fraction(str(SOLD_USD)) * (1 - fee) * (1 - slip) / ((1 + fee) * (1 + slip))
    assert round(float(bought), 2) == BOUGHT_USD == 11_964.05
    assert round(SOLD_USD - BOUGHT_USD, 2) == COST_USD == 35.95


@both
def test_every_file_of_an_example_says_that_it_is_made_up(example, tmp_path):
    files = write_files(example, tmp_path)
    assert "Example" in files.portfolio.read_text() and "made-up" in files.portfolio.read_text()
    assert files.market.name == f"example-{example.name}"  # what the warehouse writes down as its origin
    assert "made-up" in MADE_UP
    assert pl.read_parquet(files.market / "funding.parquet")["exchange"].unique().to_list() == ["binance"]
