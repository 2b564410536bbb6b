"""The sections of `portfolio.yml`: what each key may hold, and what must hold between them."""

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    create_model,
    field_validator,
    model_validator,
)

from pipelines.holdings.amounts import decimal_text, parse_amount, parse_money
from pipelines.holdings.sectors import CASH_ASSETS, sector_name
from pipelines.policy_models import (
    BullishExpression,
    Limits,
    Name,
    ReduceExpression,
    Section,
    Share,
)
from pipelines.settings import SUPPORTED_EXCHANGES

_CONTRACT = re.compile(r"[A-Z0-9]+/[A-Z]+:[A-Z0-9]+(-\d{6})?")
_HIGHEST_FEE = Fraction(1, 20)


def _known_exchange(name: str) -> str:
    if name not in SUPPORTED_EXCHANGES:
        raise ValueError(f"there is no exchange {name!r} here; use one of {', '.join(SUPPORTED_EXCHANGES)}")
    return name


def _above_zero(amount: Fraction) -> Fraction:
    if amount <= 0:
        raise ValueError(f"{amount} must be above 0; give what is held, or remove the entry")
    return amount


def _contract(symbol: str) -> str:
    if not _CONTRACT.fullmatch(symbol):
        raise ValueError(f"{symbol!r} names no contract; write it as BTC/USDT:USDT (coin/quote:margin)")
    return symbol


def _fee(rate: Fraction) -> Fraction:
    if rate > _HIGHEST_FEE:
        raise ValueError(f"{decimal_text(rate)} is a fee of over 5%; write a fraction: 0.1% is 0.001")
    return rate


def _asset(name: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{1,30}", name):
        raise ValueError(f"{name!r} is no coin; write its name in capitals, for example BTC")
    return name


_AsText = PlainSerializer(decimal_text, return_type=str)
Amount = Annotated[Fraction, BeforeValidator(parse_amount), _AsText]
Quantity = Annotated[Amount, AfterValidator(_above_zero)]
Money = Annotated[Fraction, BeforeValidator(parse_money), _AsText]
Fee = Annotated[Amount, AfterValidator(_fee)]
Exchange = Annotated[str, AfterValidator(_known_exchange)]
Asset = Annotated[str, AfterValidator(_asset)]


class Holding(Section):
    """A coin on an exchange: so many of it, or so many USD of it at the close of the day it is read on.

    USDT, USDC and USD are cash.
    """

    exchange: Exchange
    asset: Asset
    quantity: Quantity | None = None
    value_usd: Annotated[Money, AfterValidator(_above_zero)] | None = None

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        given = (self.quantity is None) + (self.value_usd is None)
        self._require(given == 1, "quantity", f"give {self.asset} either a quantity or a value_usd, and not both")
        return self

    @property
    def is_cash(self) -> bool:
        """Whether it is a dollar stablecoin."""
        return self.asset in CASH_ASSETS


class Position(Section):
    """An open futures position.

    Attributes:
        symbol: ccxt's unified symbol, for example `BTC/USDT:USDT`.
        quantity_base: Coins; or `contracts`, as the exchange counts them.
        entry_price_usd: Average price per coin at which it was opened.
        role: What it is for. A hedge and a liquidity short are short, a tactical position is long.
        margin_usd: Collateral set aside for it.
    """

    exchange: Exchange
    symbol: Annotated[str, AfterValidator(_contract)]
    side: Literal["long", "short"]
    quantity_base: Quantity | None = None
    contracts: Quantity | None = None
    entry_price_usd: Quantity
    role: Literal["hedge", "liquidity", "tactical"]
    margin_usd: Money

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = (self.quantity_base is None) + (self.contracts is None)
        self._require(given == 1, "quantity_base", "give either quantity_base or contracts, and not both")
        side = "long" if self.role == "tactical" else "short"
        self._require(self.side == side, "side", f"a {self.role} position is {side}; correct the side or the role")
        return self


class Futures(Section):
    """The futures sleeve: all its collateral, the margin of its positions included."""

    collateral_usd: Money = Fraction(0)
    positions: tuple[Position, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        seen = set()
        for index, one in enumerate(self.positions):
            key = (one.exchange, one.symbol, one.role)
            rule = f"{one.symbol} on {one.exchange} is given twice as {one.role}; add the two up"
            self._require(key not in seen, f"positions.{index}", rule)
            seen.add(key)
        margin = sum((one.margin_usd for one in self.positions), Fraction(0))
        rule = f"{decimal_text(self.collateral_usd)} is less than the positions' margin of {decimal_text(margin)}"
        self._require(margin <= self.collateral_usd, "collateral_usd", f"{rule}; give all of the sleeve's collateral")
        return self


class CustomSplit(Section):
    """The two sleeves' shares; the band in which the futures share may drift, by default 1/20 on either side."""

    spot: Share
    futures: Share
    band: tuple[Share, Share] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = self.spot + self.futures
        self._require(total == 1, "spot", f"spot and futures sum to {total}; make them sum to 1")
        if self.band is not None:
            low, high = self.band
            rule = f"{low} to {high} does not contain the futures share {self.futures}; widen it"
            self._require(low <= self.futures <= high, "band", rule)
        return self


class SectorChoice(Section):
    """How one sector is expressed; a key left out keeps the policy's."""

    reduce_expression: ReduceExpression | None = None
    bullish_expression: BullishExpression | None = None


class Fees(Section):
    """What an exchange takes of a trade's amount, as fractions; a key left out keeps the policy's cost."""

    spot_frac: Fee | None = None
    perp_frac: Fee | None = None


def _as_float(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


# The policy's own limits with their own rules, none of them required.
LimitOverrides: type[Section] = create_model(
    "LimitOverrides",
    __base__=Section,
    **{
        name: (Annotated[Annotated[field.annotation, *field.metadata] | None, BeforeValidator(_as_float)], None)
        for name, field in Limits.model_fields.items()
    },
)


class Portfolio(Section):
    """What the user holds and wants, as `portfolio.yml` says it. Without any key: the paper book of the settings.

    Attributes:
        as_of: The day of the statement; another day makes it a new statement even of the same holdings.
        preset: The split of the two sleeves; None: the policy's.
        split: The split itself, with the preset `custom`.
        value_usd: Worth of both sleeves, all in cash; instead of `holdings`, `cash_usd` and `futures`.
        holdings: Coins per exchange.
        cash_usd: Spot stablecoin beside the one among the holdings.
        strategic_weights: Sector to its share of the spot sleeve; a sector left out has 0. None: the seed's.
        limits: Overrides of the policy's limits.
        sectors: Sector to how it is expressed.
        fees: Exchange to its fees.
    """

    version: Literal[1] = 1
    as_of: Annotated[date, Field(strict=True)] | None = None
    preset: Literal["conservative", "balanced", "custom"] | None = None
    split: CustomSplit | None = None
    value_usd: Annotated[Money, AfterValidator(_above_zero)] | None = None
    holdings: tuple[Holding, ...] | None = None
    cash_usd: Money | None = None
    futures: Futures | None = None
    strategic_weights: dict[Name, Share] | None = None
    limits: LimitOverrides | None = None  # type: ignore[valid-type]
    sectors: dict[Name, SectorChoice] = Field(default_factory=dict)
    fees: dict[Exchange, Fees] = Field(default_factory=dict)

    @field_validator("strategic_weights", "sectors", mode="before")
    @classmethod
    def _by_sector(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        named: dict[str, Any] = {}
        for name, given in value.items():
            sector = sector_name(str(name))
            if sector in named:
                raise ValueError(f"@{name}: is the sector {sector}, which is given twice; keep one of the two")
            named[sector] = given
        return named

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        is_custom = self.preset == "custom"
        self._require(not is_custom or self.split is not None, "split", "is missing; the preset custom needs it")
        rule = "is read with `preset: custom` only; set that preset or remove the split"
        self._require(is_custom or self.split is None, "split", rule)
        listed = [key for key in ("holdings", "cash_usd", "futures") if getattr(self, key) is not None]
        rule = f"is the worth of everything in cash, and {', '.join(listed)} list what there is; remove one of the two"
        self._require(self.value_usd is None or not listed, "value_usd", rule)
        rule = "nothing is held; give value_usd, holdings, cash_usd or the futures sleeve's collateral"
        self._require(not listed or self._is_anything_held(), "".join(listed[:1]), rule)
        self._check_holdings()
        self._check_weights()
        return self

    def _is_anything_held(self) -> bool:
        return bool(self.holdings or self.cash_usd or (self.futures and self.futures.collateral_usd))

    def _check_holdings(self) -> None:
        seen = set()
        for index, one in enumerate(self.holdings or ()):
            key = (one.exchange, one.asset)
            rule = f"{one.asset} on {one.exchange} is given twice; add the two up"
            self._require(key not in seen, f"holdings.{index}", rule)
            seen.add(key)

    def _check_weights(self) -> None:
        if self.strategic_weights is not None:
            total = sum(self.strategic_weights.values(), Fraction(0))
            listed = ", ".join(f"{sector} {weight}" for sector, weight in sorted(self.strategic_weights.items()))
            rule = f"the sum is {total}, not 1 ({listed}); correct them"
            self._require(total == 1, "strategic_weights", rule)
