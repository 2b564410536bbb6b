"""What holds for the orders of any night and for their fills, whatever the prices, lots and costs."""

import datetime as dt
import itertools
from fractions import Fraction as F

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.allocations.orders import AssetStanding, SpotVenue, fill_orders, plan_orders, settle_tilts
from pipelines.allocations.tilts import FrontRich, Tilt, TiltBook
from pipelines.policy import Policy, parse_policy

BOUNDED = settings(max_examples=100, derandomize=True, deadline=None)
DAY = dt.date(2024, 3, 4)
SECTORS = ("DEFI", "L1", "STORE_OF_VALUE")
EXCHANGES = ("binance", "okx")
POLICIES = (Policy(), parse_policy({"limits": {"min_trade_usd": 0}, "calendar": {"tilt": "1/2"}}))
PRICES = st.sampled_from([F("0.00001234"), F("0.3331"), F(1), F("97.37"), F("61234.5")])
COSTS = st.sampled_from([F(0), F("0.0005"), F("0.001"), F("0.0137")])


@st.composite
def venues(draw, asset):
    made = {}
    for exchange in draw(st.sets(st.sampled_from(EXCHANGES))):
        made[exchange] = SpotVenue(
            *(exchange, f"{asset}/USDT", asset),
            price_usd=draw(st.one_of(st.none(), PRICES)),
            lot_step_base=draw(st.sampled_from([None, F(1, 1000), F(1), F(1000)])),
            min_notional_usd=draw(st.sampled_from([None, F(5), F(300)])),
            fee_frac=draw(COSTS),
            slippage_frac=draw(COSTS),
            volume_usd=draw(st.sampled_from([None, F(10), F(20)])),
            is_tradable=draw(st.integers(0, 5)) > 0,
        )
    return made


@st.composite
def standings(draw, asset):
    price = draw(st.one_of(st.none(), PRICES))
    coins = st.integers(0, 10**13).map(lambda units: F(units, 10**8) / (price or 1))
    holdings = draw(st.dictionaries(st.sampled_from([*EXCHANGES, "wallet"]), coins))
    return AssetStanding(
        *(asset, draw(st.sampled_from(SECTORS)), price, draw(st.integers(0, 5)) == 0, draw(st.integers(0, 5)) > 0),
        *(holdings, draw(venues(asset))),
    )


@st.composite
def nights(draw):
    names = [f"A{number}" for number in range(draw(st.integers(1, 6)))]
    assets = {name: draw(standings(name)) for name in names}
    deltas = {}
    for sector in SECTORS:
        cents = int(sum(one.value_usd for one in assets.values() if one.sector == sector) * 100)
        deltas[sector] = draw(st.one_of(st.just(-cents), st.integers(-cents, 0), st.integers(0, 10**7)))
    tilts = []
    for name in draw(st.sets(st.sampled_from(names))):
        sold, started = draw(st.integers(1, 10**6)), DAY - dt.timedelta(draw(st.integers(1, 20)))
        tilts.append(Tilt(f"tilt-{name}-{started}", name, "okx", started, sold, draw(st.integers(1, sold))))
    futures = st.builds(FrontRich, st.sampled_from(EXCHANGES), st.booleans(), st.sampled_from([None, 0.01, 0.2]))
    rich = {name: draw(st.lists(futures, max_size=2)) for name in draw(st.sets(st.sampled_from(names)))}
    cash = draw(st.integers(0, 10**7)), draw(st.integers(0, 10**7))
    book = TiltBook(tuple(sorted(tilts, key=lambda tilt: tilt.asset)))
    return assets, deltas, *cash, book, rich, draw(st.sampled_from(POLICIES))


def plan(night):
    return plan_orders(DAY, *night)


@BOUNDED
@given(nights())
def test_no_order_is_below_its_minimum_or_off_its_lot(night):
    assets, policy = night[0], night[-1]
    for order in plan(night).orders:
        venue = assets[order.asset].venues[order.exchange]
        assert order.quantity_base > 0 and order.quantity_base % venue.lot_step == 0
        assert order.quantity_base * order.price_usd >= (venue.min_notional_usd or 0)
        assert order.quantity_base * order.price_usd >= policy.limits.min_trade_usd
        assert venue.is_tradable and order.symbol == venue.symbol


@BOUNDED
@given(nights())
def test_sales_never_exceed_what_is_held_on_the_exchange(night):
    assets = night[0]
    sales = sorted((one for one in plan(night).orders if one.side == "sell"), key=lambda one: (one.asset, one.exchange))
    for (asset, exchange), orders in itertools.groupby(sales, key=lambda one: (one.asset, one.exchange)):
        assert sum(order.quantity_base for order in orders) <= assets[asset].holdings[exchange]


@BOUNDED
@given(nights())
def test_cash_is_exact_to_the_cent_and_never_overspent(night):
    held, book = F(night[2], 100), night[4]
    result = plan(night)
    assert result.cash_after_usd >= 0 and result.tilt_cash_after_usd >= 0
    before = held + F(book.cash_cents, 100)
    change = sum(order.cash_change_usd for order in result.orders)
    assert before + change == result.cash_after_usd + result.tilt_cash_after_usd
    for order in result.orders:
        assert min(order.notional_usd, order.fee_usd, order.slippage_usd) >= 0
        assert all((usd * 100).denominator == 1 for usd in (order.notional_usd, order.fee_usd, order.slippage_usd))
    tilt_sales = {one.tilt_id for one in result.orders if one.side == "sell"} - {None}
    spendable = sum(o.cash_change_usd for o in result.orders if o.side == "sell" and o.tilt_id not in tilt_sales)
    bought = -sum(order.cash_change_usd for order in result.orders if order.side == "buy")
    assert bought <= before + spendable


@BOUNDED
@given(nights())
def test_what_tilts_do_not_touch_is_bought_from_proceeds_and_the_cash_that_may_be_used(night):
    held, target = F(night[2], 100), F(night[3], 100)
    result = plan((*night[:4], TiltBook(), {}, night[-1]))
    proceeds = sum(order.cash_change_usd for order in result.orders if order.side == "sell")
    bought = -sum(order.cash_change_usd for order in result.orders if order.side == "buy")
    assert bought <= proceeds + max(F(0), held - target)


@BOUNDED
@given(nights(), st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_its_inputs(night, random):
    def shuffled(mapping):
        items = list(mapping.items())
        random.shuffle(items)
        return dict(items)

    assets, deltas, held, target, book, rich, policy = night
    mixed = {
        name: AssetStanding(
            *(name, one.sector, one.price_usd, one.is_stale_price, one.is_buyable),
            *(shuffled(one.holdings), shuffled(one.venues)),
        )
        for name, one in shuffled(assets).items()
    }
    turned = {name: futures[::-1] for name, futures in shuffled(rich).items()}
    assert plan((mixed, shuffled(deltas), held, target, book, turned, policy)) == plan(night)


@BOUNDED
@given(nights())
def test_no_asset_is_bought_and_sold_in_one_night(night):
    sides = {}
    for order in plan(night).orders:
        assert sides.setdefault(order.asset, order.side) == order.side


@BOUNDED
@given(nights())
def test_at_the_prices_of_the_plan_every_order_is_filled_as_planned(night):
    result = plan(night)
    cash = F(night[2] + night[4].cash_cents - result.tilts.cash_cents, 100)
    prices = {(order.exchange, order.symbol): order.price_usd for order in result.orders}
    fills = fill_orders(result.orders, prices, cash)
    assert [fill.status for fill in fills] == ["filled"] * len(result.orders)
    assert [fill.cash_change_usd for fill in fills] == [order.cash_change_usd for order in result.orders]
    settled = settle_tilts(result.tilts, fills)
    assert F(settled.cash_cents, 100) == result.tilt_cash_after_usd
    assert cash + sum(f.cash_change_usd for f in fills) - result.tilt_cash_after_usd + F(
        result.tilts.cash_cents, 100
    ) == (result.cash_after_usd)
    assert len({tilt.asset for tilt in settled.tilts}) == len(settled.tilts)


@BOUNDED
@given(nights(), st.data())
def test_fills_at_any_price_stay_within_the_cash_and_on_the_lot(night, data):
    result = plan(night)
    cash = F(data.draw(st.integers(0, 10**7)), 100)
    places = sorted({(order.exchange, order.symbol) for order in result.orders})
    prices = {place: data.draw(st.one_of(st.none(), PRICES)) for place in places}
    fills = fill_orders(result.orders, prices, cash)
    assert [fill.order for fill in fills] == list(result.orders)
    income = sum(f.cash_change_usd for f in fills if f.order.side == "sell" and f.order.tilt_id is None)
    assert -sum(f.cash_change_usd for f in fills if f.order.side == "buy") <= cash + income
    for fill in fills:
        assert 0 <= fill.quantity_base <= fill.order.quantity_base
        assert fill.quantity_base % fill.order.lot_step_base == 0
        if fill.order.side == "sell":
            assert fill.status == ("lapsed" if fill.price_usd is None else "filled")
