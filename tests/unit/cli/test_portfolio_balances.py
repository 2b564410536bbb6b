"""`rotation portfolio balances` over HTTP: ccxt's own requests, signed, against account endpoints on this machine."""

import asyncio
import hashlib
import hmac
import json
import logging
import threading

import pytest
import yaml
from aiohttp import web
from pydantic import SecretStr

from pipelines.exchanges.accounts import AccountError, AccountUnreachable, read_account
from pipelines.settings import Credentials

READ, TRADE, WITHDRAW = "read-key-1a2b3c", "trade-key-4d5e6f", "withdraw-key-7g8h"
SECRETS = {READ: "secret-of-read-key", TRADE: "secret-of-trade-key", WITHDRAW: "secret-of-withdraw-key"}
BALANCES = [("BTC", "0.50000001", "0.1"), ("MKR", "0.1", "0"), ("USDT", "1200.505", "0"), ("LDBTC", "2", "0")]
BALANCES += [("ETH", "0", "0"), ("DOGE", "0.01", "0")]


def _signed(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _binance(request: web.Request) -> web.Response:
    key = request.headers.get("X-MBX-APIKEY", "")
    query, _, signature = request.query_string.rpartition("&signature=")
    if key not in SECRETS or signature != _signed(SECRETS[key], query):
        # the exchange's words repeat the key, as some do
        return web.json_response({"code": -2015, "msg": f"Invalid API-key {key}, IP, or permissions."}, status=401)
    if request.path.endswith("/apiRestrictions"):
        return web.json_response({
            "ipRestrict": False, "createTime": 1, "enableReading": True, "enableWithdrawals": key == WITHDRAW,
            "enableInternalTransfer": False, "permitsUniversalTransfer": False, "enableFutures": False,
            "enableSpotAndMarginTrading": key == TRADE, "enableMargin": False, "enableFixReadOnly": True,
        })  # fmt: skip
    rows = [{"asset": asset, "free": free, "locked": locked} for asset, free, locked in BALANCES]
    return web.json_response({"accountType": "SPOT", "canTrade": True, "balances": rows})


def _bybit(request: web.Request) -> web.Response:
    key, headers = request.headers.get("X-BAPI-API-KEY", ""), request.headers
    text = headers.get("X-BAPI-TIMESTAMP", "") + key + headers.get("X-BAPI-RECV-WINDOW", "") + request.query_string
    if key not in SECRETS or headers.get("X-BAPI-SIGN") != _signed(SECRETS[key], text):
        return web.json_response({"retCode": 10003, "retMsg": "API key is invalid.", "result": {}})
    if request.path.endswith("/query-api"):
        wallet = ["AccountTransfer", "Withdraw"] if key == WITHDRAW else ["AccountTransfer"]
        granted = {"Spot": ["SpotTrade"], "Wallet": wallet, "ContractTrade": []}
        result = {"readOnly": int(key == READ), "permissions": granted, "uta": 1}
    elif request.path.endswith("/account/info"):
        result = {"unifiedMarginStatus": 6}
    else:
        coins = [{"coin": asset, "walletBalance": free, "locked": locked} for asset, free, locked in BALANCES]
        result = {"list": [{"accountType": "UNIFIED", "coin": coins}]}
    return web.json_response({"retCode": 0, "retMsg": "OK", "result": result})


def _others(request: web.Request) -> web.Response:
    """Account endpoints of the exchanges whose permissions read otherwise, or not at all."""
    path, key = request.path, request.headers.get("OK-ACCESS-KEY") or request.headers.get("ACCESS-KEY")
    key = key or request.headers.get("X-BX-APIKEY") or READ
    may_trade = key == TRADE
    rows = [{"asset": asset, "free": free, "locked": locked} for asset, free, locked in BALANCES]
    replies = {
        "account/config": {"code": "0", "data": [{"perm": "read_only,trade" if may_trade else "read_only"}]},
        "v5/account/balance": {"code": "0", "data": [{"details": [
            {"ccy": asset, "eq": free, "availEq": free} for asset, free, _ in BALANCES]}]},
        "spot/account/info": {"code": "00000", "data": {"authorities": ["stow" if may_trade else "stor", "coor"]}},
        "spot/account/assets": {"code": "00000", "data": [
            {"coin": asset, "available": free, "frozen": locked, "locked": "0"} for asset, free, locked in BALANCES]},
        "account/apiPermissions": {"code": 0, "data": {"permissions": [1, 2] if may_trade else [2]}},
        "spot/v1/account/balance": {"code": 0, "data": {"balances": rows}},
        "api/v3/account": {"accountType": "SPOT", "canTrade": True, "balances": rows},
    }  # fmt: skip
    return web.json_response(next((reply for end, reply in replies.items() if path.rstrip("/").endswith(end)), {}))


async def _handle(request: web.Request) -> web.Response:
    host = request.path.split("/")[1]
    request.app["seen"].append(request.path)
    if "binance" in host:
        return _binance(request)
    return _bybit(request) if "bybit" in host else _others(request)


@pytest.fixture(scope="module")
def server():
    """The exchanges' account endpoints in a thread; `url` and the paths `seen`."""
    loop, ready, made = asyncio.new_event_loop(), threading.Event(), {}

    def serve():
        asyncio.set_event_loop(loop)
        app = web.Application()
        app["seen"] = made["seen"] = []
        app.router.add_route("*", "/{rest:.*}", _handle)
        runner = web.AppRunner(app, access_log=None)
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        made["url"] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    yield made
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@pytest.fixture
def keys(monkeypatch, server):
    """Puts the keys of an account into the environment."""
    monkeypatch.setenv("ROTATION_EXCHANGE_URL", server["url"])

    def put(exchange: str, key: str, secret: str | None = None) -> None:
        monkeypatch.setenv(f"ROTATION_KEY_{exchange.upper()}", key)
        monkeypatch.setenv(f"ROTATION_SECRET_{exchange.upper()}", secret or SECRETS[key])

    return put


def no_key_in(text: str) -> bool:
    return not any(hidden in text for hidden in (*SECRETS, *SECRETS.values()))


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
def test_balances_of_a_read_only_key_become_holdings_of_that_exchange(rotation, keys, tmp_path, exchange):
    keys(exchange, READ)
    file = tmp_path / "portfolio.yml"
    file.write_text(
        "# mine\nholdings:\n"
        f"  - {{exchange: okx, asset: SOL, quantity: 7}}\n  - {{exchange: {exchange}, asset: BTC, quantity: 9}}\n"
    )
    answer = rotation("portfolio", "balances", "--exchange", exchange, "--to", file)
    assert answer.code == 0, answer.err
    listed = yaml.safe_load(file.read_text())["holdings"]
    held = {(one["exchange"], one["asset"]): str(one["quantity"]) for one in listed}
    # Binance adds what is in orders (0.1) to what is free; Bybit's walletBalance is all of it. 0.1 MKR = 2400 SKY.
    btc = "0.60000001" if exchange == "binance" else "0.50000001"
    assert held == {
        ("okx", "SOL"): "7", (exchange, "BTC"): btc, (exchange, "SKY"): "2400", (exchange, "USDT"): "1200.505",
        (exchange, "DOGE"): "0.01",
    }  # fmt: skip
    assert file.read_text().startswith("# mine\n")
    assert "2 LDBTC: no sector has it" in answer.out and "0.1 MKR: counted as 2400 SKY" in answer.out
    assert no_key_in(answer.out + answer.err + file.read_text())


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
@pytest.mark.parametrize(("key", "says"), [(TRADE, "SpotTrade|enableSpotAndMarginTrading"), (WITHDRAW, "Withdraw")])
def test_a_key_that_can_trade_or_withdraw_is_refused_before_a_balance_is_read(
    rotation, keys, server, tmp_path, exchange, key, says
):
    keys(exchange, key)
    server["seen"].clear()
    answer = rotation("portfolio", "balances", "--exchange", exchange, "--to", tmp_path / "p.yml")
    assert answer.code == 2
    assert "can do more than read" in answer.err and any(one in answer.err for one in says.split("|"))
    assert len(server["seen"]) == 1 and not (tmp_path / "p.yml").exists()
    assert no_key_in(answer.out + answer.err)


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_a_wrong_key_is_said_without_repeating_it_even_in_a_traceback_or_a_log(
    rotation, keys, tmp_path, caplog, exchange, debug
):
    caplog.set_level(logging.DEBUG)
    keys(exchange, READ, "not-the-secret-of-it")
    answer = rotation(*debug, "portfolio", "balances", "--exchange", exchange, "--to", tmp_path / "p.yml")
    assert answer.code == 2
    assert f"{exchange} refuses the key" in answer.err and f"check ROTATION_KEY_{exchange.upper()}" in answer.err
    assert no_key_in(answer.out + answer.err + caplog.text)
    assert "not-the-secret-of-it" not in answer.out + answer.err + caplog.text
    logs = [path.read_text() for path in tmp_path.rglob("*.log")]
    assert all(no_key_in(text) for text in logs)


def test_an_exchange_that_does_not_answer_ends_with_4(rotation, keys, monkeypatch, tmp_path):
    keys("binance", READ)
    monkeypatch.setenv("ROTATION_EXCHANGE_URL", "http://127.0.0.1:9")
    answer = rotation("portfolio", "balances", "--exchange", "binance", "--to", tmp_path / "p.yml")
    assert answer.code == 4 and "cannot be reached" in answer.err
    assert no_key_in(answer.out + answer.err)


def test_keys_are_sent_nowhere_but_to_the_exchange_or_this_computer(rotation, keys, monkeypatch, tmp_path):
    keys("binance", READ)
    monkeypatch.setenv("ROTATION_EXCHANGE_URL", "http://mirror.example")
    answer = rotation("portfolio", "balances", "--exchange", "binance", "--to", tmp_path / "p.yml")
    assert answer.code == 2 and "this computer only" in answer.err


def test_a_missing_key_names_its_variable(rotation, keys, tmp_path):
    answer = rotation("portfolio", "balances", "--exchange", "binance", "--to", tmp_path / "p.yml")
    assert answer.code == 2 and "ROTATION_KEY_BINANCE is not set" in answer.err


def test_an_exchange_that_is_not_supported_is_refused(rotation):
    answer = rotation("portfolio", "balances", "--exchange", "kraken")
    assert answer.code == 2 and "choose from binance" in answer.err


def test_an_exchange_that_tells_no_permissions_needs_the_option(rotation, keys, tmp_path):
    keys("mexc", READ)
    command = ("portfolio", "balances", "--exchange", "mexc", "--to", tmp_path / "p.yml")
    answer = rotation(*command)
    assert answer.code == 2 and "does not tell what a key may do" in answer.err
    answer = rotation(*command, "--accept-unknown-permissions")
    assert answer.code == 0 and "make sure that it may only read" in answer.err
    assert (tmp_path / "p.yml").exists()


def test_a_dry_run_writes_nothing(rotation, keys, tmp_path):
    keys("binance", READ)
    answer = rotation("portfolio", "balances", "--exchange", "binance", "--to", tmp_path / "p.yml", "--dry-run")
    assert answer.code == 0 and "binance BTC: none -> 0.60000001" in answer.out
    assert not (tmp_path / "p.yml").exists()


def _read(server, exchange, key, passphrase="a-passphrase", **settings):
    given = SecretStr(passphrase) if passphrase else None
    keys = Credentials(SecretStr(key), SecretStr(SECRETS[key]), given)
    return asyncio.run(read_account(exchange, keys, base_url=server["url"], **settings))


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx", "bitget", "bingx"])
def test_every_exchange_that_tells_lets_a_reader_in_and_keeps_a_trader_out(server, exchange):
    account = _read(server, exchange, READ)
    assert account.may_trade is False
    assert account.balances["USDT"] == "1200.505" and "ETH" not in account.balances
    with pytest.raises(AccountError, match="can do more than read"):
        _read(server, exchange, TRADE)


@pytest.mark.parametrize("exchange", ["mexc", "weex"])
def test_an_exchange_that_does_not_tell_is_read_only_when_that_is_accepted(server, exchange):
    with pytest.raises(AccountError, match="--accept-unknown-permissions"):
        _read(server, exchange, READ)
    account = _read(server, exchange, READ, accept_unknown_permissions=True)
    assert account.may_trade is None and account.balances["MKR"] == "0.1"


def test_a_missing_passphrase_names_its_variable(server):
    with pytest.raises(AccountError, match="ROTATION_PASSPHRASE_OKX is not set"):
        _read(server, "okx", READ, passphrase=None)


def test_the_error_of_an_account_carries_nothing_of_the_exchanges_own(server):
    keys = Credentials(SecretStr(READ), SecretStr("wrong-secret"), None)
    with pytest.raises(AccountError) as raised:
        asyncio.run(read_account("binance", keys, base_url=server["url"]))
    assert raised.value.__cause__ is None and raised.value.__context__ is None
    assert no_key_in(str(raised.value)) and "-2015" in str(raised.value)
    assert READ not in repr(keys) and "wrong-secret" not in repr(keys)
    assert not isinstance(raised.value, AccountUnreachable)


def test_an_answer_without_the_rights_counts_as_not_told():
    from pipelines.exchanges.accounts import _ASKED

    assert json.dumps(sorted(_ASKED)) == '["binance", "bingx", "bitget", "bybit", "okx"]'
    for _, understand in _ASKED.values():
        with pytest.raises((KeyError, IndexError, TypeError, AttributeError)):
            understand({"data": []})
