"""Claims about one night of the whole portfolio, on a market of bitcoin alone."""

import datetime as dt
from fractions import Fraction as F
from types import SimpleNamespace

import pytest

from pipelines.allocations.asset_targets import AssetStanding, SpotVenue
from pipelines.allocations.replay import SectorInput
from pipelines.hedges.market import HedgeMarket, SectorView
from pipelines.holdings.portfolio import Opening, SpotHolding
from pipelines.policy import Policy
from pipelines.portfolio.book import NightBook
from pipelines.portfolio.nights import decide_nights
from pipelines.portfolio.rows import NIGHT_TABLES, decision_row, night_rows
from pipelines.portfolio.world import World

DAY = dt.date(2024, 3, 4)
PRICE = F(50_000)
POLICY = Policy()
CONTRACT = ("binance", "BTC/USDT:USDT")


class Spot:
    """Bitcoin at one price on two exchanges."""

    def prices(self, day):
        return {"BTC": PRICE}

    def closes(self, day):
        return {(exchange, "BTC/USDT"): PRICE for exchange in ("binance", "okx")}

    def sector(self, asset, day):
        return "STORE_OF_VALUE"

    def standings(self, day, held, last_prices):
        venues = {
            name: SpotVenue(name, "BTC/USDT", "BTC", PRICE, None, None, F("0.001"), F("0.0005"), None, True)
            for name in ("binance", "okx")
        }
        return {"BTC": AssetStanding("BTC", "STORE_OF_VALUE", PRICE, False, True, held.get("BTC", {}), venues)}


class Futures:
    """Bitcoin overbought: funding 4 bp per 8 h, the 99th percentile, open interest two deviations above its mean."""

    def contract(self, asset, day):
        return CONTRACT

    def market(self, asset, name, day, exposure_usd):
        figures = (4.0, 0.99, 2.0, 2.0, float(PRICE)) if asset == "BTC" else ()
        return HedgeMarket(asset, *name, exposure_usd, *figures, lot_step_base=0.001)

    def sector(self, sector, day):
        return SectorView()

    def betas(self, assets, day):
        return {}

    def closes(self, day):
        return {CONTRACT: PRICE}

    def settlements(self, contract, day):
        return []


@pytest.fixture(scope="module")
def night():
    """0.1 BTC on Binance and 0.3 on OKX, worth 20,000 together; the sector is held."""
    holdings = (SpotHolding("binance", "BTC", F("0.1"), None), SpotHolding("okx", "BTC", F("0.3"), None))
    world = World(
        spot=Spot(),
        futures=Futures(),
        sectors={DAY: {"STORE_OF_VALUE": SectorInput("NEUTRAL", "HOLD")}},
        front_rich={},
        stablecoin_usd={},
        strategic={"STORE_OF_VALUE": F(1)},
        opening=Opening("statement", None, holdings, 0, 1_000_000, ()),
        value_cents=0,
        fees={},
        policy=POLICY,
    )
    (one,) = decide_nights(NightBook(), world, POLICY, DAY, DAY, lambda day, book: "the decision")
    return SimpleNamespace(rows=night_rows(one, {}, world.strategic, POLICY), decision=decision_row(one))


def test_s5_no_decision_is_without_its_row_of_risk(night):
    (risk,) = night.rows["futures_sleeve"]
    assert (risk["decision_id"], risk["as_of_date"]) == (night.decision["decision_id"], night.decision["as_of_date"])
    assert {"used_margin_usd", "gross_notional_nav_frac", "worst_scenario_usd", "is_concentrated"} <= risk.keys()


def test_s39_spot_and_futures_are_decided_together_under_one_id(night):
    decided = {table.name for table in NIGHT_TABLES if "decision_id" in table.columns} - {"ledger"}
    ids = {row["decision_id"] for name in decided for row in night.rows[name]}
    assert {name for name in decided if night.rows[name]} >= {"target_allocations", "asset_targets", "hedges"}
    assert ids == {"the decision"}


def test_s31_the_hedge_covers_the_bitcoin_of_all_accounts(night):
    (hedge,) = night.rows["hedges"]
    # a tenth of 0.4 BTC at 50,000
    assert (hedge["exposure_usd"], hedge["quantity_base"], hedge["notional_usd"]) == (20_000.0, 0.04, 2_000.0)


def test_s49_overbought_bitcoin_is_not_sold(night):
    assert night.rows["hedges"][0]["trigger"] == "OVERBOUGHT"
    assert night.rows["rebalance_trades"] == []
    (bitcoin,) = night.rows["asset_targets"]
    assert bitcoin["target_quantity_base"] == bitcoin["current_quantity_base"] == 0.4
