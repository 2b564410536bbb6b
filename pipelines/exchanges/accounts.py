"""An account's spot balances, read with a key that can do nothing else.

Keys go into requests to the exchange and nowhere else: no text that leaves this module holds one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pipelines.exchanges.client import open_client
from pipelines.exchanges.errors import classify
from pipelines.settings import Credentials

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHORTEST_SECRET = 4  # a shorter text stands in ordinary words and numbers, too
_AUTHENTICATION = {"AuthenticationError", "PermissionDenied", "AccountNotEnabled", "AccountSuspended"}


class AccountError(RuntimeError):
    """An account cannot be read as asked; the message says what to do and holds no key."""


class AccountUnreachable(AccountError):
    """The exchange does not answer, or refuses this address."""


@dataclass(frozen=True)
class Account:
    """What an account holds.

    Attributes:
        balances: Coin as the exchange calls it to how many are held, free and in orders, as exact text; zeros left out.
        may_trade: None: the exchange does not tell what the key may do. False: it may only read.
    """

    balances: Mapping[str, str]
    may_trade: bool | None


async def read_account(
    exchange: str,
    keys: Credentials,
    *,
    base_url: str | None = None,
    timeout_s: float = 20.0,
    accept_unknown_permissions: bool = False,
) -> Account:
    """The spot balances of an account, after making sure that the key can only read.

    Args:
        exchange: ccxt's name, for example `binance`.
        keys: The account's.
        base_url: A local exchange on this computer instead of the exchange itself.
        timeout_s: Give up on a reply after that many seconds.
        accept_unknown_permissions: Go on when the exchange does not tell what the key may do.

    Raises:
        AccountError: the key may do more than read, is wrong, or nobody can tell what it may do.
        AccountUnreachable: the exchange does not answer.
    """
    if base_url is not None and urlsplit(base_url).hostname not in _LOOPBACK:
        raise AccountError(
            "keys are sent to the exchange itself or to this computer only; take ROTATION_EXCHANGE_URL out of the "
            "environment for this command"
        )
    failure: AccountError
    try:
        return await _read(exchange, keys, base_url, timeout_s, accept_unknown_permissions)
    except AccountError as error:
        failure = type(error)(_scrub(keys, str(error)))
    except Exception as error:
        failure = _explained(exchange, keys, error)
    # Raised out here so that the exchange's own error, whose text or request may hold the key, does not hang on it.
    raise failure


async def _read(
    exchange: str, keys: Credentials, base_url: str | None, timeout_s: float, accept_unknown: bool
) -> Account:
    given = {"apiKey": keys.key.get_secret_value(), "secret": keys.secret.get_secret_value()}
    if keys.passphrase is not None:
        given["password"] = keys.passphrase.get_secret_value()
    async with open_client(
        exchange, base_url=base_url, rate_limit=base_url is None, timeout_s=timeout_s, credentials=given
    ) as client:
        if client.requiredCredentials.get("password") and keys.passphrase is None:
            name = f"ROTATION_PASSPHRASE_{exchange.upper()}"
            raise AccountError(f"{name} is not set: keys of {exchange} come with a passphrase; export it, too")
        powers = await _powers(exchange, client)
        if powers:
            raise AccountError(
                f"{exchange}: this key can do more than read ({', '.join(powers)}), and reading is all that is needed; "
                "make a key with nothing but the permission to read, and remove this one"
            )
        if powers is None and not accept_unknown:
            raise AccountError(
                f"{exchange} does not tell what a key may do; check on its website that this one may only read, then "
                "add --accept-unknown-permissions"
            )
        client.load_markets = _nothing  # megabytes of markets, which no balance needs
        client.number = str  # balances as exact text
        total = (await client.fetch_balance({"type": "spot"}))["total"]
    unknown = sorted(coin for coin, amount in total.items() if amount is None)
    if unknown:
        raise AccountUnreachable(
            f"{exchange} does not say how much of {', '.join(unknown)} there is; try again, and if it persists open an "
            "issue: the exchange changed its format"
        )
    balances = {coin: str(amount) for coin, amount in sorted(total.items())}
    return Account(
        {coin: amount for coin, amount in balances.items() if amount.strip("0.")}, None if powers is None else False
    )


async def _nothing(*_: Any, **__: Any) -> dict[str, Any]:
    return {}


async def _powers(exchange: str, client: Any) -> list[str] | None:
    """What the key may do beyond reading, in the exchange's words; None: the exchange does not tell."""
    if exchange not in _ASKED:
        return None
    endpoint, understand = _ASKED[exchange]
    reply = await getattr(client, endpoint)()
    try:
        return understand(reply)
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def _of_binance(reply: Any) -> list[str]:
    if not isinstance(reply["enableReading"], bool):
        raise TypeError
    harmless = ("enableReading", "enableFixReadOnly")
    can = re.compile(r"enable|permits")
    return sorted(
        name for name, is_on in reply.items() if can.match(name) and name not in harmless and is_on is not False
    )


def _of_bybit(reply: Any) -> list[str]:
    result = reply["result"]
    read_only, granted = str(result["readOnly"]), result["permissions"]
    if "Withdraw" in granted.get("Wallet", []):
        return ["Wallet Withdraw"]
    if read_only == "1":
        return []
    return ["read and write", *(f"{area} {one}" for area, ones in sorted(granted.items()) for one in ones)]


def _of_okx(reply: Any) -> list[str]:
    granted = [one.strip() for one in reply["data"][0]["perm"].split(",") if one.strip()]
    if not granted:
        raise KeyError("perm")
    return [one for one in granted if one != "read_only"]


def _of_bitget(reply: Any) -> list[str]:
    """Codes of an area and what may be done in it: `stor` is spot trade, read; `stow` is spot trade, write."""
    granted = reply["data"]["authorities"]
    if not granted:
        raise KeyError("authorities")
    return [str(one) for one in granted if one != "readonly" and not re.fullmatch(r"[a-z]{3}r", str(one))]


def _of_bingx(reply: Any) -> list[str]:
    names = {1: "spot trading", 3: "perpetual trading", 4: "universal transfer", 5: "withdraw", 7: "transfer"}
    granted = {int(one) for one in (reply.get("data") or reply)["permissions"]}
    if 2 not in granted:
        raise KeyError("permissions")
    return [names.get(one, f"permission {one}") for one in sorted(granted - {2})]


_ASKED: dict[str, tuple[str, Callable[[Any], list[str]]]] = {
    "binance": ("sapiGetAccountApiRestrictions", _of_binance),
    "bybit": ("privateGetV5UserQueryApi", _of_bybit),
    "okx": ("privateGetAccountConfig", _of_okx),
    "bitget": ("privateSpotGetV2SpotAccountInfo", _of_bitget),
    "bingx": ("accountV1PrivateGetAccountApiPermissions", _of_bingx),
}
"""Where an exchange tells what a key may do, and how its answer is read. MEXC and WEEX tell nothing."""


def _explained(exchange: str, keys: Credentials, error: Exception) -> AccountError:
    """What went wrong, without keys."""
    failure = classify(error, exchange, "balances")
    if failure.kind in ("blocked", "retryable", "malformed"):
        return AccountUnreachable(_scrub(keys, str(failure)))
    classes = {base.__name__ for base in type(error).__mro__}
    said = re.search(r'\(it said "(.*?)"\)', str(failure))
    quoted = f' (it said "{said[1]}")' if said else ""
    if "InvalidNonce" in classes:
        return AccountError(_scrub(keys, f"{exchange} refuses this computer's clock{quoted}; set it and try again"))
    if classes & _AUTHENTICATION:
        name = exchange.upper()
        remedy = (
            f"check ROTATION_KEY_{name} and ROTATION_SECRET_{name}, that the key is not expired, that it may read, and "
            "that it allows this computer's address"
        )
        return AccountError(_scrub(keys, f"{exchange} refuses the key{quoted}; {remedy}"))
    return AccountError(_scrub(keys, str(failure)))


def _scrub(keys: Credentials, text: str) -> str:
    """A text without any of the keys, or of the signatures made with them, in it."""
    hidden = [one.get_secret_value() for one in (keys.key, keys.secret, keys.passphrase) if one is not None]
    for one in sorted(hidden, key=len, reverse=True):
        if len(one) >= _SHORTEST_SECRET:
            text = text.replace(one, "***")
    return re.sub(r"(?i)(signature|sign)=[^&\s\"']+", r"\1=***", text)
