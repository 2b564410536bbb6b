"""The portfolio file: what it may say, what it changes in the policy, and what the books begin with."""

from datetime import date
from fractions import Fraction as F

import pytest

from pipelines.holdings.effective import load_effective
from pipelines.holdings.portfolio import (
    PortfolioError,
    digest,
    fees,
    load_portfolio,
    opening,
    parse_portfolio,
    read_keys,
    require_known,
    resolve,
)
from pipelines.holdings.sectors import Taxonomy, read_taxonomy, sector_name
from pipelines.policy import Policy, parse_policy
from pipelines.settings import load_settings

TAXONOMY = read_taxonomy(date(2026, 11, 22))
POSITION = {
    "exchange": "binance", "symbol": "BTC/USDT:USDT", "side": "short", "quantity_base": "0.04",
    "entry_price_usd": 50000, "role": "hedge", "margin_usd": 2000,
}  # fmt: skip
BTC = {"exchange": "binance", "asset": "BTC", "quantity": "0.5"}


def said(text: str):
    return parse_portfolio(read_keys(text))


def test_an_empty_file_changes_nothing_of_the_policy_and_states_no_holdings():
    portfolio, policy = said(""), Policy()
    assert resolve(portfolio, policy) == policy and opening(portfolio, policy) is None


@pytest.mark.parametrize(
    ("text", "spot", "futures", "band"),
    [
        ("preset: conservative", F(4, 5), F(1, 5), (F(3, 20), F(1, 4))),
        ("preset: balanced", F(3, 5), F(2, 5), (F(7, 20), F(9, 20))),  # the band moved along by 1/5
        ('preset: custom\nsplit: {spot: "49/50", futures: "1/50"}', F(49, 50), F(1, 50), (F(0), F(7, 100))),
        ('preset: custom\nsplit: {spot: 0, futures: 1}', F(0), F(1), (F(19, 20), F(1))),
        ('preset: custom\nsplit: {spot: "1/2", futures: "1/2", band: ["1/4", "3/5"]}',
         F(1, 2), F(1, 2), (F(1, 4), F(3, 5))),
    ],
)  # fmt: skip
def test_a_preset_is_a_split_that_sums_to_one_inside_its_band(text, spot, futures, band):
    split = resolve(said(text), Policy()).split
    assert (split.spot, split.futures, split.band) == (spot, futures, band)
    assert split.spot + split.futures == 1 and split.band[0] <= split.futures <= split.band[1]


def test_without_a_preset_the_policys_own_split_stands():
    policy = parse_policy({"split": {"spot": "7/10", "futures": "3/10", "band": ["1/4", "7/20"]}})
    assert resolve(said("value_usd: 1000"), policy) == policy
    assert resolve(said("preset: conservative"), policy).split == Policy().split


def test_limits_and_expressions_go_into_the_policy_so_that_its_hash_covers_them():
    portfolio = said(
        'limits: {sector_cap: "2/5", min_trade_usd: 12.5}\n'
        "sectors: {Layer 1: {reduce_expression: short_futures}, DEFI: {bullish_expression: both}}"
    )
    policy = parse_policy({"expression": {"sectors": {"L1": {"reduce": "split", "bullish": "futures"}}}})
    changed = resolve(portfolio, policy)
    assert (changed.limits.sector_cap, changed.limits.min_trade_usd) == (F(2, 5), 12.5)
    assert changed.limits.tilt_cap == policy.limits.tilt_cap
    own = {name: (one.reduce, one.bullish) for name, one in changed.expression.sectors.items()}
    assert own == {"L1": ("short_futures", "futures"), "DEFI": (None, "both")}
    assert changed.canonical_hash() != policy.canonical_hash()
    assert changed == parse_policy(changed.model_dump(mode="json"))


def test_a_limit_that_does_not_go_with_the_policys_others_is_named():
    policy = parse_policy({"limits": {"cash_cap": "1/10"}})
    with pytest.raises(PortfolioError, match=r"with the policy: limits\.cash_target: must not exceed cash_cap 1/10"):
        resolve(said('limits: {cash_target: "1/5"}'), policy)


@pytest.mark.parametrize(
    "name", ["Emerging Narratives", "emerging-narratives", "High-Beta Growth (Gaming/AI)", "HIGH_BETA"]
)
def test_the_names_of_the_article_mean_the_sectors_of_the_table(name):
    assert sector_name(name) == "HIGH_BETA"
    assert said(f'strategic_weights: {{"{name}": 1}}').strategic_weights == {"HIGH_BETA": F(1)}


def test_weights_are_exact_and_kept_whole():
    portfolio = said('strategic_weights: {L1: "2/5", DeFi: "3/10", Emerging Narratives: "0.3"}')
    assert portfolio.strategic_weights == {"L1": F(2, 5), "DEFI": F(3, 10), "HIGH_BETA": F(3, 10)}


def test_decimals_are_read_as_they_are_written_whatever_their_length():
    # a float would keep 17 digits of it
    portfolio = said("holdings: [{exchange: binance, asset: BTC, quantity: 0.123456789012345678}]")
    assert portfolio.holdings[0].quantity == F(123456789012345678, 10**18)


def test_what_is_held_opens_the_books_exactly_and_to_the_cent():
    portfolio = parse_portfolio(
        {
            "as_of": date(2026, 11, 22),
            "holdings": [
                {"exchange": "okx", "asset": "USDC", "quantity": "10.019"},
                {"exchange": "okx", "asset": "ETH", "value_usd": "1500.50"},
                BTC,
            ],
            "cash_usd": "5.01",
            "futures": {"collateral_usd": 20000, "positions": [POSITION]},
        }
    )
    opened = opening(portfolio, Policy())
    assert [(h.exchange, h.asset, h.quantity, h.value_cents) for h in opened.holdings] == [
        ("binance", "BTC", F(1, 2), None), ("okx", "ETH", None, 150050),
    ]  # fmt: skip
    assert opened.cash_cents == 501 + 1001  # 10.019 USDC are 10.01 USD: a part of a cent is not claimed
    assert opened.collateral_cents == 2_000_000
    (position,) = opened.positions
    assert (position.quantity_base, position.contracts, position.margin_cents) == (F(1, 25), None, 200_000)
    assert (position.entry_price_usd, position.side, position.role) == (F(50_000), "short", "hedge")


@pytest.mark.parametrize(("preset", "cash", "collateral"), [("conservative", 8001, 2000), ("balanced", 6001, 4000)])
def test_a_value_alone_is_cash_split_between_the_sleeves_to_the_cent(preset, cash, collateral):
    # 100.01: a fifth is 20.002, two fifths are 40.004
    portfolio = said(f"preset: {preset}\nvalue_usd: 100.01")
    opened = opening(portfolio, resolve(portfolio, Policy()))
    assert (opened.cash_cents, opened.collateral_cents, opened.holdings) == (cash, collateral, ())


def test_the_digest_is_of_what_is_said_and_not_of_how_it_is_written():
    one = said(
        'limits: {sector_cap: "1/2"}\nholdings: [{exchange: okx, asset: ETH, quantity: 1.50}, '
        "{asset: BTC, exchange: binance, quantity: 2}]"
    )
    other = said(
        'holdings: [{exchange: binance, asset: BTC, quantity: "2.0"}, {exchange: okx, asset: ETH, quantity: 1.5}]\n'
        'limits: {sector_cap: "2/4"}\nversion: 1'
    )
    more = said("holdings: [{exchange: binance, asset: BTC, quantity: 2}]")
    assert digest(one) == digest(other) != digest(more)


def test_only_a_statement_of_holdings_opens_the_books_anew():
    policy = Policy()

    def opened(text):
        return opening(said(text), policy).digest

    base = opened("value_usd: 1000")
    assert opened('value_usd: 1000\nlimits: {sector_cap: "1/3"}\nstrategic_weights: {L1: 1}\npreset: balanced') == base
    assert opened("value_usd: 1001") != base
    assert opened("value_usd: 1000\nas_of: 2026-11-22") != base


def test_fees_of_an_exchange_stand_in_place_of_the_policys():
    portfolio, policy = said("fees: {binance: {spot_frac: 0.00075}}"), Policy()
    assert fees(portfolio, policy, "binance") == (F(75, 100_000), F(5, 10_000))
    assert fees(portfolio, policy, "okx") == (F(1, 1000), F(5, 10_000))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("presett: balanced", r"^presett: is not a key of the portfolio"),
        ("preset: daring", r"^preset: 'daring' cannot be used"),
        ("preset: custom", r"^split: is missing"),
        ("preset: balanced\nsplit: {spot: 1, futures: 0}", r"^split: is read with `preset: custom` only"),
        ('preset: custom\nsplit: {spot: "1/2", futures: "1/3"}', r"^split\.spot: spot and futures sum to 5/6"),
        ('preset: custom\nsplit: {spot: 0.8, futures: 0.2}', r"^split\.spot: .*not an exact fraction"),
        ('preset: custom\nsplit: {spot: "1/2", futures: "1/2", band: [0, "1/4"]}', r"^split\.band: .*does not contain"),
        ("value_usd: -5", r"^value_usd: -5 is negative"),
        ("value_usd: 0", r"^value_usd: 0 must be above 0"),
        ("value_usd: 10.001", r"^value_usd: 10.001 has parts of a cent"),
        ("value_usd: .nan", r"^value_usd: '.nan' is no amount"),
        ("value_usd: 1e999999999", r"^value_usd: '1e999999999' is no amount"),
        ("value_usd: true", r"^value_usd: True is no amount"),
        ("value_usd: 5\ncash_usd: 5", r"^value_usd: is the worth of everything in cash, and cash_usd list"),
        ("holdings: []", r"^holdings: nothing is held"),
        ("cash_usd: '1,000'", r"^cash_usd: '1,000' is no amount; write a number such as 0.25, with a point"),
        ("holdings: [{exchange: kraken, asset: BTC, quantity: 1}]", r"^holdings\.0\.exchange: .* 'kraken' here; use"),
        ("holdings: [{exchange: okx, asset: btc, quantity: 1}]", r"^holdings\.0\.asset: 'btc' is no coin; .*capitals"),
        ("holdings: [{exchange: okx, asset: BTC}]", r"^holdings\.0\.quantity: give BTC either"),
        ("holdings: [{exchange: okx, asset: BTC, quantity: 1, value_usd: 1}]", r"^holdings\.0\.quantity: give BTC"),
        ("holdings: [{asset: BTC, quantity: 1}]", r"^holdings\.0\.exchange: is missing; add it"),
        ("holdings: [{exchange: okx, asset: BTC, quantity: 0}]", r"^holdings\.0\.quantity: 0 must be above 0"),
        (
            "holdings: [{exchange: okx, asset: BTC, quantity: 1}, {exchange: okx, asset: BTC, quantity: 2}]",
            r"^holdings\.1: BTC on okx is given twice",
        ),
        ('strategic_weights: {L1: "2/5"}', r"^strategic_weights: the sum is 2/5, not 1 \(L1 2/5\)"),
        ("strategic_weights: {L1: 0.4, DEFI: 0.6}", r"^strategic_weights\.L1: .*not an exact fraction"),
        ('strategic_weights: {L1: "-1", DEFI: 2}', r"^strategic_weights\.L1: -1 is out of range"),
        (
            'strategic_weights: {HIGH_BETA: "1/2", Emerging Narratives: "1/2"}',
            r"^strategic_weights\.Emerging Narratives: is the sector HIGH_BETA, which is given twice",
        ),
        ("limits: {sector_capp: 1}", r"^limits\.sector_capp: is not a key of the portfolio"),
        ("limits: {sector_cap: 3}", r"^limits\.sector_cap: 3 is out of range"),
        ("sectors: {L1: {reduce_expression: hold}}", r"^sectors\.L1\.reduce_expression: 'hold' cannot be used"),
        ("fees: {kraken: {spot_frac: 0.001}}", r"^fees\.kraken: there is no exchange 'kraken'"),
        ("fees: {okx: {spot_frac: 0.1}}", r"^fees\.okx\.spot_frac: 0.1 is a fee of over 5%; .*: 0.1% is 0.001"),
        ("as_of: yesterday", r"^as_of: 'yesterday' cannot be used"),
        ("version: 2", r"^version: 2 cannot be used"),
        ("- 1", "must be keys with values"),
        ("value_usd: 1\nvalue_usd: 2", r"value_usd: given twice \(line 2\)"),
        ("value_usd: [", "is not valid YAML at line"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_key_and_a_remedy(text, message, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(text)
    with pytest.raises(PortfolioError) as raised:
        load_portfolio(file)
    assert str(raised.value).startswith(f"{file}: ")
    with pytest.raises(ValueError, match=message):
        said(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": "long"}, r"positions\.0\.side: a hedge position is short"),
        ({"role": "tactical"}, r"positions\.0\.side: a tactical position is long"),
        ({"contracts": 3}, r"positions\.0\.quantity_base: give either"),
        ({"symbol": "BTCUSDT"}, r"positions\.0\.symbol: 'BTCUSDT' names no contract"),
        ({"margin_usd": 20001}, r"^futures\.collateral_usd: 20000 is less than the positions' margin of 20001"),
        ({"entry_price_usd": 0}, r"entry_price_usd: 0 must be above 0"),
    ],
)
def test_a_position_that_contradicts_itself_is_refused(change, message):
    with pytest.raises(PortfolioError, match=message):
        parse_portfolio({"futures": {"collateral_usd": 20000, "positions": [POSITION | change]}})


def test_a_position_given_twice_is_refused():
    with pytest.raises(
        PortfolioError, match=r"^futures\.positions\.1: BTC/USDT:USDT on binance is given twice as hedge"
    ):
        parse_portfolio({"futures": {"collateral_usd": 20000, "positions": [POSITION, POSITION]}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strategic_weights: {GAMING: 1}", r"^strategic_weights: no sector is called GAMING; use one of DEFI,"),
        ("sectors: {GAMING: {bullish_expression: both}}", r"^sectors: no sector is called GAMING"),
        ("holdings: [{exchange: okx, asset: PAXG, quantity: 1}]", r"^holdings\.0\.asset: no sector has PAXG"),
        ("holdings: [{exchange: okx, asset: RNDR, quantity: 1}]", r"RNDR is counted as RENDER; write RENDER"),
        ("holdings: [{exchange: okx, asset: MKR, quantity: 1}]", r"write SKY \(1 MKR is 24000 SKY\)"),
    ],
)  # fmt: skip
def test_a_sector_or_coin_that_nobody_knows_is_refused(text, message):
    with pytest.raises(PortfolioError, match=message):
        require_known(said(text), TAXONOMY)


def test_cash_and_contract_codes_need_no_sector_of_their_own():
    position = POSITION | {"symbol": "1000PEPE/USDT:USDT"}
    futures = {"collateral_usd": 20000, "positions": [position]}
    portfolio = parse_portfolio({"holdings": [BTC, BTC | {"asset": "USDC"}], "futures": futures})
    require_known(portfolio, TAXONOMY)
    with pytest.raises(PortfolioError, match=r"positions\.0\.symbol: no sector has 1000PEPE"):
        require_known(portfolio, Taxonomy({}, {"BTC": ("BTC", F(1))}))


def test_a_run_goes_by_the_file_of_its_settings_and_names_it_in_every_refusal(tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text('strategic_weights: {L1: "2/5", DEFI: "3/5"}\npreset: balanced')
    effective = load_effective(load_settings(portfolio=file))
    assert effective.strategic_weights == {"L1": F(2, 5), "DEFI": F(3, 5)}
    assert effective.policy.split.futures == F(2, 5)
    file.write_text("strategic_weights: {GAMING: 1}")
    with pytest.raises(PortfolioError, match=r"mine\.yml: strategic_weights: no sector is called GAMING"):
        load_effective(load_settings(portfolio=file))
    with pytest.raises(PortfolioError, match=r"nowhere\.yml: cannot be read .*; check the path"):
        load_effective(load_settings(portfolio=tmp_path / "nowhere.yml"))


def test_the_environment_names_the_portfolio_file_and_may_hold_keys(monkeypatch, tmp_path):
    monkeypatch.setenv("ROTATION_PORTFOLIO", str(tmp_path / "p.yml"))
    monkeypatch.setenv("ROTATION_KEY_BINANCE", "a-key-nobody-shall-see")
    settings = load_settings()
    assert settings.portfolio_path == tmp_path / "p.yml"
    assert "a-key-nobody-shall-see" not in repr(settings) + settings.model_dump_json()
