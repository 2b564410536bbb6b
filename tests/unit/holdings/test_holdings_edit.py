"""Holdings are put into the file, and everything else in it stays as it is."""

from datetime import date
from fractions import Fraction as F

import pytest

from pipelines.holdings.edit import put_holdings, write
from pipelines.holdings.portfolio import PortfolioError, load_portfolio
from pipelines.holdings.sectors import read_taxonomy
from pipelines.holdings.statement import Statement

DAY = date(2026, 11, 22)
TAXONOMY = read_taxonomy(DAY)
FILE = """\
# my portfolio
preset: balanced   # because
holdings:  # typed in by hand
  # the cold one
  - exchange: okx
    asset: ETH
    quantity: 3
  - {exchange: binance, asset: BTC, quantity: 1}

# what I believe in
strategic_weights:
  L1: "2/5"
  Emerging Narratives: "3/5"
cash_usd: 7
fees: {okx: {spot_frac: 0.0008}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "portfolio.yml"
    path.write_text(FILE)
    return path


def statement(**quantities):
    keys = {key: F(amount) for key, amount in quantities.items()}
    return Statement({tuple(key.split("_")): amount for key, amount in keys.items()})


def test_holdings_are_replaced_and_every_other_line_is_kept(file):
    edit = put_holdings(file, statement(binance_BTC="0.5", bybit_SOL="10"), DAY, TAXONOMY)
    assert (
        edit.text
        == """\
# my portfolio
preset: balanced   # because
holdings:
  - {exchange: binance, asset: BTC, quantity: 0.5}
  - {exchange: bybit, asset: SOL, quantity: 10}

# what I believe in
strategic_weights:
  L1: "2/5"
  Emerging Narratives: "3/5"
cash_usd: 7
fees: {okx: {spot_frac: 0.0008}}
as_of: 2026-11-22
"""
    )
    assert edit.changes == (
        "as_of: none -> 2026-11-22", "binance BTC: 1 -> 0.5", "bybit SOL: none -> 10", "okx ETH: 3 -> none",
    )  # fmt: skip
    assert file.read_text() == FILE


def test_a_statement_with_cash_replaces_the_cash_that_was_typed_in(file):
    edit = put_holdings(file, statement(binance_USDT="12.5"), DAY, TAXONOMY)
    assert edit.portfolio.cash_usd is None and "cash_usd: 7 -> none" in edit.changes


def test_a_statement_of_one_exchange_leaves_the_others_and_the_cash_alone(file):
    edit = put_holdings(file, statement(binance_SOL="2", binance_USDT="5"), DAY, TAXONOMY, "binance")
    held = {(one.exchange, one.asset): one.quantity for one in edit.portfolio.holdings}
    assert held == {("binance", "SOL"): 2, ("binance", "USDT"): 5, ("okx", "ETH"): 3}
    assert edit.portfolio.cash_usd == 7


def test_the_same_statement_of_the_same_day_changes_nothing(file):
    write(file, put_holdings(file, statement(okx_BTC="1"), DAY, TAXONOMY).text)
    again = put_holdings(file, statement(okx_BTC="1"), DAY, TAXONOMY)
    assert again.changes == () and again.text == file.read_text()
    later = put_holdings(file, statement(okx_BTC="1"), date(2026, 11, 23), TAXONOMY)
    assert later.changes == ("as_of: 2026-11-22 -> 2026-11-23",)


def test_a_value_in_cash_makes_way_for_the_holdings(file):
    file.write_text("value_usd: 1000\npreset: conservative")  # and no line end
    edit = put_holdings(file, statement(okx_BTC="1"), DAY, TAXONOMY)
    assert edit.text.startswith("preset: conservative\n") and "value_usd" not in edit.text


def test_a_file_that_does_not_exist_is_made_for_its_owner_only(tmp_path):
    path = tmp_path / "new.yml"
    write(path, put_holdings(path, statement(okx_A="1", okx_S="0.1"), DAY, TAXONOMY).text)
    assert [(one.asset, one.quantity) for one in load_portfolio(path).holdings] == [("A", 1), ("S", F(1, 10))]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_to_the_file_stays_a_link_and_the_file_keeps_its_mode(file, tmp_path):
    file.chmod(0o640)
    link = tmp_path / "link.yml"
    link.symlink_to(file)
    write(link, put_holdings(link, statement(okx_BTC="1"), DAY, TAXONOMY).text)
    assert link.is_symlink() and "okx, asset: BTC" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{value_usd: 5}\n", "is written in braces"),
        ("presett: balanced\n", "presett: is not a key"),
        ("strategic_weights: {GAMING: 1}\n", "no sector is called GAMING"),
    ],
)
def test_a_file_that_cannot_be_edited_is_named_and_left_alone(tmp_path, text, message):
    path = tmp_path / "mine.yml"
    path.write_text(text)
    with pytest.raises(PortfolioError, match=rf"mine\.yml: .*{message}"):
        put_holdings(path, statement(okx_BTC="1"), DAY, TAXONOMY)
    assert path.read_text() == text


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(PortfolioError, match=r"p\.yml: cannot be written .*; check the path"):
        write(tmp_path / "nowhere" / "p.yml", "version: 1\n")
