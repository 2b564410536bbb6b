"""Claims about what is never done: no order, withdrawal, transfer or leverage is ever asked of an exchange."""

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
# ccxt's unified methods that change something on an account, in both spellings
CHANGING = re.compile(
    r"^(?:create|edit|cancel|close|modify)_?(?:all_?)?\w*(?:order|position)s?(?:_?ws)?$"
    r"|^(?:add|reduce|set)_?margin\w*$|^set_?(?:leverage|position_?mode)$|^(?:borrow|repay)\w+$"
    r"|^transfer_?(?:in|out)$|^create_?(?:sub_?account|deposit_?address)$",
    re.IGNORECASE,
)
# ccxt's names of single endpoints: `privatePostV5OrderCreate`, `sapiDeleteMarginOrder`
ENDPOINT = re.compile(r"^[a-z]\w*?(Get|Post|Put|Delete|Patch)[A-Z]\w*$")


def names(tree):
    """Every attribute and every string of a module: what could name a method of a client."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def changing(tree):
    found = [name for name in names(tree) if CHANGING.match(name)]
    # as a string it is also a permission that a key must not have
    found += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "withdraw"]
    return found + [name for name in names(tree) if (verb := ENDPOINT.match(name)) and verb[1] != "Get"]


def test_s96_calls_that_would_change_an_account_are_recognised():
    code = """
client.create_order("BTC/USDT", "market", "buy", 1)
client.createMarketBuyOrder("BTC/USDT", 1)
client.cancel_all_orders()
client.set_leverage(125)
client.withdraw("BTC", 1, "address")
getattr(client, "privatePostV5OrderCreate")
client.fetch_ohlcv("BTC/USDT")
getattr(client, "publicGetV5MarketKline")
"""
    assert changing(ast.parse(code)) == [
        "create_order", "createMarketBuyOrder", "cancel_all_orders", "set_leverage", "withdraw",
        "privatePostV5OrderCreate",
    ]  # fmt: skip


def test_s96_nothing_in_the_program_places_an_order_or_moves_money():
    modules = sorted((PROJECT / "pipelines").rglob("*.py"))
    trees = {str(path.relative_to(PROJECT)): ast.parse(path.read_text(encoding="utf-8")) for path in modules}
    assert {name: found for name, tree in trees.items() if (found := changing(tree))} == {}
    endpoints = {name for tree in trees.values() for name in names(tree) if ENDPOINT.match(name)}
    assert len(endpoints) > 40  # every endpoint that is read is named as a string, so the search sees it
