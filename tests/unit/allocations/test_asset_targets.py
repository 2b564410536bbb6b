"""How a sector's change is split over its assets."""

from fractions import Fraction as F

from pipelines.allocations.asset_targets import AssetStanding, SpotVenue, split_sectors


def venue(asset, exchange="binance", **changes):
    fields = {
        "price_usd": None,
        "lot_step_base": F(1, 1000),
        "min_notional_usd": F(5),
        "fee_frac": F(1, 1000),
        "slippage_frac": F(0),
        "volume_usd": None,
        "is_tradable": True,
    }
    return SpotVenue(exchange=exchange, symbol=f"{asset}/USDT", asset=asset, **(fields | changes))


def standing(asset, coins=0, price=100, sector="L1", venues=None, **changes):
    fields = {"is_stale_price": False, "is_buyable": True, "holdings": {"binance": F(coins)} if coins else {}}
    venues = [venue(asset)] if venues is None else venues
    return AssetStanding(
        asset,
        sector,
        None if price is None else F(price),
        venues={one.exchange: one for one in venues},
        **fields | changes,
    )


def split(deltas, *standings):
    return split_sectors({one.asset: one for one in standings}, deltas)


def test_a_sale_takes_the_same_share_of_every_asset():
    # $1,000 of $4,000: a quarter of 30 and of 10 coins at $100.
    moves = split({"L1": -100_000}, standing("ETH", 30), standing("SOL", 10))
    assert moves.sold_base == {"ETH": F(15, 2), "SOL": F(5, 2)}
    assert not moves.bought_usd and not moves.notes


def test_a_purchase_keeps_the_mix_of_what_is_held():
    moves = split({"L1": 100_000}, standing("ETH", 30), standing("SOL", 10), standing("SUI"))
    assert moves.bought_usd == {"ETH": F(750), "SOL": F(250)}


def test_a_purchase_leaves_out_what_may_not_be_bought():
    # Only SOL may be bought: ETH is too new, XRP is stale, ADA has no market today.
    moves = split(
        {"L1": 100_000},
        standing("ETH", 30, is_buyable=False),
        standing("XRP", 30, is_stale_price=True),
        standing("ADA", 30, venues=[venue("ADA", is_tradable=False)]),
        standing("SOL", 10),
    )
    assert moves.bought_usd == {"SOL": F(1000)}


def test_a_sector_of_which_nothing_is_held_is_bought_in_equal_parts():
    moves = split({"L1": 100_000}, standing("ETH"), standing("SOL"), standing("XRP", 5, is_buyable=False))
    assert moves.bought_usd == {"ETH": F(500), "SOL": F(500)}


def test_a_sector_without_an_eligible_asset_keeps_the_amount_in_cash_and_says_so():
    moves = split({"L1": 100_000}, standing("ETH", 1, is_buyable=False))
    assert moves.bought_usd == {}
    assert moves.notes == ["L1: $1,000.00 stays cash: no asset may be bought today."]


def test_an_illiquid_asset_is_not_sold_and_the_others_are_sold_in_its_place():
    # L1 is worth $4,000, of which $1,000 of SOL has no market; $2,000 come from ETH alone: 20 of 30 coins.
    illiquid = standing("SOL", 10, venues=[venue("SOL", is_tradable=False)])
    moves = split({"L1": -200_000}, standing("ETH", 30), illiquid)
    assert moves.sold_base == {"ETH": F(20)}
    assert not moves.notes
    assert illiquid.value_usd == 1000 and not illiquid.is_sellable


def test_a_sale_beyond_what_has_a_market_is_noted_with_its_shortfall():
    illiquid = standing("SOL", 10, venues=[venue("SOL", is_tradable=False)])
    moves = split({"L1": -350_000}, standing("ETH", 30), illiquid)
    assert moves.sold_base == {"ETH": F(30)}
    assert moves.notes == ["L1: $500.00 of the sale is not possible: no market today for coins of SOL."]


def test_coins_on_an_exchange_without_a_market_are_valued_but_not_sold():
    one = standing("ETH", holdings={"binance": F(3), "wallet": F(5)})
    assert one.value_usd == 800
    assert one.sellable_base == 3
    assert split({"L1": -80_000}, one).sold_base == {"ETH": F(3)}


def test_an_emptied_sector_sells_every_coin_although_its_cents_were_rounded():
    # 3 coins at $33.333 are $99.999: the sector's cents say $100.00 or $99.99, and both empty it.
    one = standing("ETH", 3, price=F("33.333"))
    assert [split({"L1": cents}, one).sold_base for cents in (-10_000, -9_999)] == [{"ETH": F(3)}] * 2
    assert split({"L1": -9_990}, one).sold_base["ETH"] < 3


def test_an_asset_without_a_price_is_worth_nothing_and_is_not_traded():
    unknown = standing("SUI", 5, price=None)
    assert unknown.value_usd == 0 and not unknown.is_sellable and not unknown.is_eligible
    assert split({"L1": -10_000}, standing("ETH", 30), unknown).sold_base == {"ETH": F(1)}


def test_a_purchase_goes_to_the_lowest_cost_then_to_the_most_coins_then_to_the_largest_volume_then_by_name():
    def best(*venues, **holdings):
        return standing("ETH", venues=venues, holdings=holdings).best_venue.exchange

    dear, cheap = venue("ETH", "binance"), venue("ETH", "okx", fee_frac=F(1, 2000))
    assert best(dear, cheap, binance=F(9)) == "okx"
    assert best(dear, venue("ETH", "okx", fee_frac=F(0), slippage_frac=F(1, 500))) == "binance"
    assert best(dear, venue("ETH", "okx"), okx=F(1)) == "okx"
    assert best(dear, venue("ETH", "okx", volume_usd=F(7))) == "okx"
    assert best(venue("ETH", "okx"), dear) == "binance"
    assert best(dear, venue("ETH", "okx", fee_frac=F(0), is_tradable=False)) == "binance"
