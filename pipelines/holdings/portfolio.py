"""`portfolio.yml`: read, held against the sectors there are, and turned into a policy and an opening of the books.

A run loads it with `pipelines.holdings.effective`: the file, the check of its names, and the policy that it changes.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.config_files import ConfigError, StrictLoader, first_problem, parse_yaml, read_text
from pipelines.holdings.models import Fees, Portfolio, Position
from pipelines.holdings.sectors import Taxonomy
from pipelines.money import CENT, ZERO, exact, to_cent
from pipelines.policy import Policy

_PRESETS = {
    "conservative": (Fraction(4, 5), Fraction(1, 5)),
    # The most that gross futures of 2/5 of everything can use at a leverage of 1: more would lie idle.
    "balanced": (Fraction(3, 5), Fraction(2, 5)),
}
_BAND = Fraction(1, 20)
STATEMENT_KEYS = ("value_usd", "holdings", "cash_usd", "futures")
"""The keys that say what is held."""


class PortfolioError(ConfigError):
    """A portfolio file, or what is to go into it, cannot be used; the message names the place and the remedy."""


class _Loader(StrictLoader):
    """YAML whose decimals stay the digits that were written: 0.1 is one tenth, whatever its length."""


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal | str:
    text = str(loader.construct_scalar(node))
    try:
        value = Decimal(text.replace("_", ""))
    except InvalidOperation:
        return text
    return value if value.is_finite() else text


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


@dataclass(frozen=True)
class SpotHolding:
    """A coin on an exchange at the opening.

    Attributes:
        quantity: Coins, exact; None where only its worth is given.
        value_cents: Its worth at the asset's close of the day before the first decision; None where coins are given.
    """

    exchange: str
    asset: str
    quantity: Fraction | None
    value_cents: int | None


@dataclass(frozen=True)
class OpenPosition:
    """A futures position at the opening; sizes and prices exact.

    Attributes:
        quantity_base: Coins; None where the size is given in contracts.
        contracts: As the exchange counts them; None where coins are given.
        entry_price_usd: Average price per coin at which it was opened.
    """

    exchange: str
    symbol: str
    side: str
    role: str
    quantity_base: Fraction | None
    contracts: Fraction | None
    entry_price_usd: Fraction
    margin_cents: int


@dataclass(frozen=True)
class Opening:
    """What the books begin with.

    Attributes:
        digest: SHA-256 of the statement alone: another digest is another opening. Weights and limits do not change it.
        as_of: The day of the statement; None where the file names none.
        holdings: Coins, ordered by exchange and asset, without cash.
        cash_cents: Stablecoin of the spot sleeve.
        collateral_cents: All the cash of the futures sleeve, margin included.
        positions: Open futures positions, ordered by exchange, symbol and role.
    """

    digest: str
    as_of: date | None
    holdings: tuple[SpotHolding, ...]
    cash_cents: int
    collateral_cents: int
    positions: tuple[OpenPosition, ...]


def load_portfolio(path: Path | None) -> Portfolio:
    """Read a portfolio file; an empty portfolio, which is the paper book of the settings, when `path` is None.

    Raises:
        PortfolioError: the file cannot be read or a key is wrong; names the file, the key and the remedy.
    """
    if path is None:
        return Portfolio()
    try:
        return parse_portfolio(read_keys(read_text(path, "portfolio file")))
    except ConfigError as error:
        raise PortfolioError(f"{path}: {error}") from None


def read_keys(text: str) -> dict[str, Any]:
    """The keys of a portfolio file's text, decimals as written.

    Raises:
        ConfigError: it is no YAML mapping.
    """
    given = parse_yaml(text, _Loader)
    if not isinstance(given, dict):
        raise PortfolioError("must be keys with values, for example value_usd: 100000")
    return given


def parse_portfolio(given: dict[str, Any]) -> Portfolio:
    """The portfolio that these keys say.

    Raises:
        PortfolioError: unknown key, value of a wrong kind or out of range; starts with the key's path.
    """
    try:
        return Portfolio.model_validate(given)
    except ValidationError as error:
        raise PortfolioError(first_problem(error, "portfolio")) from None


def digest(portfolio: Portfolio) -> str:
    """SHA-256 of the whole portfolio as JSON with sorted keys, whatever the order and spelling in the file."""
    return _sha256(portfolio.model_dump(mode="json", exclude_none=True))


def canonical_json(portfolio: Portfolio) -> str:
    """The keys of the file as JSON with sorted keys and no spaces; `load_portfolio` reads it back."""
    given = portfolio.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(given, sort_keys=True, separators=(",", ":"))


def opening(portfolio: Portfolio, policy: Policy) -> Opening | None:
    """What the books begin with; None when the file says nothing of what is held.

    Args:
        portfolio: The file.
        policy: The policy that `resolve` gave: its split divides a `value_usd`.
    """
    if all(getattr(portfolio, key) is None for key in STATEMENT_KEYS):
        return None
    statement = _sha256(portfolio.model_dump(mode="json", exclude_none=True, include={"as_of", *STATEMENT_KEYS}))
    if portfolio.value_usd is not None:
        futures = _cents(to_cent(portfolio.value_usd * policy.split.futures))
        return Opening(statement, portfolio.as_of, (), _cents(portfolio.value_usd) - futures, futures, ())
    held = sorted(portfolio.holdings or (), key=lambda one: (one.exchange, one.asset))
    # A stablecoin counts as a dollar each; a part of a cent is not claimed.
    cash_cents = _cents(portfolio.cash_usd or ZERO) + sum(
        _cents(one.quantity or one.value_usd or ZERO) for one in held if one.is_cash
    )
    coins = tuple(
        SpotHolding(one.exchange, one.asset, one.quantity, None if one.value_usd is None else _cents(one.value_usd))
        for one in held
        if not one.is_cash
    )
    futures_sleeve = portfolio.futures
    positions = sorted(
        futures_sleeve.positions if futures_sleeve else (), key=lambda one: (one.exchange, one.symbol, one.role)
    )
    return Opening(
        digest=statement,
        as_of=portfolio.as_of,
        holdings=coins,
        cash_cents=cash_cents,
        collateral_cents=_cents(futures_sleeve.collateral_usd) if futures_sleeve else 0,
        positions=tuple(map(_open_position, positions)),
    )


def resolve(portfolio: Portfolio, policy: Policy) -> Policy:
    """The policy in force: `policy` with the portfolio's split, limits and expressions, so that its hash covers them.

    Raises:
        PortfolioError: a limit does not go with the others; names the key.
    """
    given = policy.model_dump()
    if portfolio.preset is not None:
        given["split"] = _split(portfolio)
    if portfolio.limits is not None:
        given["limits"] |= portfolio.limits.model_dump(exclude_none=True)
    for sector, choice in portfolio.sectors.items():
        before = given["expression"]["sectors"].get(sector, {})
        chosen = {"reduce": choice.reduce_expression, "bullish": choice.bullish_expression}
        given["expression"]["sectors"][sector] = before | {key: one for key, one in chosen.items() if one is not None}
    try:
        return Policy.model_validate(given)
    except ValidationError as error:
        raise PortfolioError(f"with the policy: {first_problem(error, 'portfolio')}") from None


def fees(portfolio: Portfolio, policy: Policy, exchange: str) -> tuple[Fraction, Fraction]:
    """Spot and perpetual fee of an exchange as fractions of the amount; the policy's where the file has none."""
    own = portfolio.fees.get(exchange, Fees())
    spot = exact(policy.costs.spot_fee) if own.spot_frac is None else own.spot_frac
    perp = exact(policy.costs.perp_taker) if own.perp_frac is None else own.perp_frac
    return spot, perp


def require_known(portfolio: Portfolio, taxonomy: Taxonomy) -> None:
    """Refuse sectors and coins that nobody knows: what no rule looks at must not be thought looked after.

    Raises:
        PortfolioError: names the key and what to write instead.
    """
    sectors = ", ".join(sorted(taxonomy.sectors))
    for key in ("strategic_weights", "sectors"):
        for name in sorted(set(getattr(portfolio, key) or ()) - set(taxonomy.sectors)):
            raise PortfolioError(f"{key}: no sector is called {name}; use one of {sectors}")
    for index, one in enumerate(portfolio.holdings or ()):
        if not one.is_cash:
            _require_coin(f"holdings.{index}.asset", one.asset, taxonomy, may_be_a_code=False)
    for index, position in enumerate(portfolio.futures.positions if portfolio.futures else ()):
        _require_coin(f"futures.positions.{index}.symbol", position.symbol.split("/")[0], taxonomy, may_be_a_code=True)


def _require_coin(key: str, name: str, taxonomy: Taxonomy, may_be_a_code: bool) -> None:
    if name not in taxonomy.coins:
        remedy = "remove the entry, or add the coin to dbt/seeds/asset_sectors.csv"
        raise PortfolioError(f"{key}: no sector has {name}, so nothing would look after it; {remedy}")
    asset, units = taxonomy.coins[name]
    if asset != name and not may_be_a_code:
        raise PortfolioError(f"{key}: {name} is counted as {asset}; write {asset} (1 {name} is {units} {asset})")


def _split(portfolio: Portfolio) -> dict[str, Any]:
    if portfolio.split is not None:
        spot, futures, band = portfolio.split.spot, portfolio.split.futures, portfolio.split.band
    else:
        assert portfolio.preset is not None
        (spot, futures), band = _PRESETS[portfolio.preset], None
    # The default policy's band lies 1/20 around its share; another share moves it along.
    moved = (max(ZERO, futures - _BAND), min(Fraction(1), futures + _BAND))
    return {"spot": spot, "futures": futures, "band": band or moved}


def _open_position(one: Position) -> OpenPosition:
    return OpenPosition(
        one.exchange, one.symbol, one.side, one.role, one.quantity_base, one.contracts, one.entry_price_usd,
        _cents(one.margin_usd),
    )  # fmt: skip


def _cents(amount_usd: Fraction) -> int:
    return math.floor(amount_usd / CENT)


def _sha256(value: dict[str, Any]) -> str:
    def ordered(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: ordered(one) for key, one in part.items()}
        if isinstance(part, list) and all(isinstance(one, dict) for one in part):
            return sorted(map(ordered, part), key=lambda one: json.dumps(one, sort_keys=True))
        return part

    return hashlib.sha256(json.dumps(ordered(value), sort_keys=True, separators=(",", ":")).encode()).hexdigest()
