"""The sections of the policy: every threshold, limit and cost with its default, its type and its range.

The defaults stand here and nowhere else. Rates are basis points per 8 hours, `pct` values are percent
ranks in 0..1, and `Fraction` values are exact: they are written as text in a file ("3/4", never 0.75).
"""

import math
from fractions import Fraction
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

State = Literal[
    "STALE",
    "NO_DATA",
    "OVERLEVERAGED",
    "LOSING_MOMENTUM",
    "UNSTABLE",
    "CAPITULATION",
    "ACCUMULATION",
    "NEUTRAL",
]
Action = Literal["REDUCE", "TRIM", "INCREASE", "HOLD", "FREEZE"]
ReduceExpression = Literal["sell_spot", "short_futures", "split"]
BullishExpression = Literal["spot", "futures", "both"]
STATES: tuple[str, ...] = get_args(State)
ACTIONS: tuple[str, ...] = get_args(Action)


def parse_fraction(value: object) -> Fraction:
    """An exact fraction from text ("3/4", "0.75") or a whole number.

    Raises:
        ValueError: a float (0.1 is not one tenth), a boolean or text that is no number; write it as text.
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            pass
    raise ValueError(f'{value!r} is not an exact fraction; write it as text, for example "1/4"')


def _within(low: int, high: int | None) -> AfterValidator:
    bounds = f"at least {low}" if high is None else f"from {low} to {high}"

    def check(value: Fraction) -> Fraction:
        if value < low or (high is not None and value > high):
            raise ValueError(f"{value} is out of range; use a fraction {bounds}")
        return value

    return AfterValidator(check)


Exact = Annotated[Fraction, BeforeValidator(parse_fraction), PlainSerializer(str, return_type=str)]
Share = Annotated[Exact, _within(0, 1)]
Multiple = Annotated[Exact, _within(1, None)]
Minutes = Annotated[int, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1)]
Days = Annotated[int, Field(strict=True, ge=0, le=3650)]
Hours = Annotated[int, Field(strict=True, ge=1, le=24)]
Real = Annotated[float, Field(strict=True)]
NotNegative = Annotated[float, Field(strict=True, ge=0)]
Positive = Annotated[float, Field(strict=True, gt=0)]
Unit = Annotated[float, Field(strict=True, ge=0, le=1)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """One section of the policy: immutable, with no unknown keys and no infinite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    def _require(self, holds: bool, key: str, rule: str) -> None:
        # "@key: rule" lets the loader name the key at fault although the whole section is being checked.
        if not holds:
            raise ValueError(f"@{key}: {rule}")

    def _looser(self, stay: str, enter: str) -> None:
        left, entered = getattr(self, stay), getattr(self, enter)
        rule = f"{left} is stricter than {enter} {entered}; leaving needs a value at or below it"
        self._require(left <= entered, stay, rule)


class Split(Section):
    spot: Share = Fraction(4, 5)
    futures: Share = Fraction(1, 5)
    band: tuple[Share, Share] = (Fraction(3, 20), Fraction(1, 4))

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = self.spot + self.futures
        self._require(total == 1, "spot", f"spot and futures sum to {total}; make them sum to 1")
        low, high = self.band
        self._require(low <= self.futures <= high, "band", f"{low} to {high} excludes {self.futures}")
        return self


class Decide(Section):
    cadence: Literal["daily", "weekly"] = "daily"
    weekday: Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"] = "MON"
    at: Literal["00:15"] = "00:15"  # the schedule, the marts' cut and the input hash share this one instant
    confirm_days: Count = 2
    latch_days: Days = 3
    cooldown_days: Days = 28


class Windows(Section):
    baseline: Count = 90
    min_frac: Share = Fraction(2, 3)
    funding_mean: Count = 3
    oi_change: Count = 7
    momentum: Count = 14
    spread: Count = 14
    peak: Count = 28
    funding_vol: Count = 14
    vol_recent: Count = 7
    vol_prior: Count = 28

    def needed(self, days: int) -> int:
        """Known days that a window of `days` needs: `min_frac` of them, rounded up."""
        return math.ceil(self.min_frac * days)


class Leaders(Section):
    k: Count = 5
    min_perp_age_days: Days = 90
    oi_weight_cap: Share = Fraction(2, 5)
    median_days: Count = 30
    median_min: Count = 15
    min_for_increase: Count = 2
    single_name_ok: tuple[Name, ...] = ("STORE_OF_VALUE",)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._require(self.oi_weight_cap > 0, "oi_weight_cap", "must be above 0")
        days = self.median_days
        self._require(self.median_min <= days, "median_min", f"must not exceed median_days {days}")
        return self


class Metrics(Section):
    funding_z_floor_bps: Positive = 0.25
    oi_z_floor: Positive = 0.01
    spread_z_floor: Positive = 0.005
    funding_min_hours: Hours = 16
    flip_level_bps: NotNegative = 0.5
    dte_min: Days = 7
    dte_max: Days = 200
    dte_gap: Count = 60
    intervals: tuple[Hours, ...] = (1, 2, 4, 6, 8, 12, 24)
    volume_min_hours: Hours = 16
    round_decimals: Annotated[int, Field(strict=True, ge=6, le=12)] = 9

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._require(self.dte_min < self.dte_max, "dte_min", f"must be below dte_max {self.dte_max}")
        ordered = tuple(sorted(set(self.intervals)))
        self._require(ordered != () and ordered == self.intervals, "intervals", "list hours once, ascending")
        return self


# A longer lag would put a day's last row behind its own decision: no day could ever be decided.
Lag = Annotated[int, Field(strict=True, ge=0, le=15)]


class LagMinutes(Section):
    candle: Lag = 5
    open_interest: Lag = 5
    funding: Lag = 1


class Data(Section):
    max_abs_funding: Positive = 0.04
    stale_exchange_hours: Count = 26
    oi_jump: Positive = 0.60
    oi_jump_others: Positive = 0.10
    price_jump: Positive = 0.02
    dropped_share: Unit = 0.40
    depeg: Positive = 0.01
    oi_usd_tolerance: Positive = 0.02
    oi_carry_days: Days = 1
    oi_window_min: tuple[Minutes, Minutes] = (-120, 10)
    lag_min: LagMinutes = LagMinutes()
    rows_warn: Count = 280
    rows_quarantine: Count = 230
    close_mark: Positive = 0.05
    mark_index: Positive = 0.05
    buyable_after_days: Days = 30

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.oi_window_min
        rule = "give minutes [before, after], for example [-120, 10]"
        self._require(-1440 <= low <= 0 <= high <= 1440, "oi_window_min", rule)
        warn = self.rows_warn
        self._require(self.rows_quarantine <= warn, "rows_quarantine", f"must not exceed rows_warn {warn}")
        return self


class Health(Section):
    coverage: Unit = 0.60
    fresh_hours: Count = 26
    halt_weight: Share = Fraction(1, 2)
    min_sleeve_usd: NotNegative = 100


class Over(Section):
    f: Real = 3.0
    pct: Unit = 0.90
    ex: Real = 1.5
    oi_z: Real = 1.0
    oi_usd_z: Real = 1.0
    oi_chg: Real = 0.15
    stay_f: Real = 2.0
    stay_oi_z: Real = 0.5
    stay_oi_usd_z: Real = 0.5
    stay_oi_chg: Real = 0.05

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("f", "oi_z", "oi_usd_z", "oi_chg"):
            self._looser(f"stay_{key}", key)
        return self


class Lose(Section):
    oi_chg: Real = -0.05
    peak_f: Real = 2.5
    pump: Real = 0.20
    norm: Unit = 0.60
    f_lo: Real = -0.5
    mom: Real = -0.10
    f_min: Real = -2.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._require(self.oi_chg <= 0, "oi_chg", "a fall of open interest is negative, for example -0.05")
        self._require(self.mom <= 0, "mom", "a fall of the price is negative, for example -0.10")
        return self


class Unstable(Section):
    rv_pct: Unit = 0.80
    fvol: NotNegative = 1.0
    mult: NotNegative = 2.0
    flips: Count = 4
    stay_rv_pct: Unit = 0.60
    stay_fvol: NotNegative = 0.75

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._looser("stay_rv_pct", "rv_pct")
        self._looser("stay_fvol", "fvol")
        return self


class Capitulation(Section):
    f: Annotated[float, Field(strict=True, le=0)] = -2.0
    pct: Unit = 0.05


class Accum(Section):
    f_max: Real = 1.5
    f_min: Real = -1.0
    fvol: NotNegative = 1.0
    mom_above: Real = 0
    vr: Positive = 1.25
    oi_chg: Real = 0.05

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._require(self.f_min < self.f_max, "f_min", f"must be below f_max {self.f_max}")
        return self


class Spread(Section):
    z: Real = 1.5
    reference: tuple[Name, ...] = ("L1", "STORE_OF_VALUE")
    mode: Literal["veto", "off"] = "veto"


class Calendar(Section):
    front: Real = 0.20
    excess: Real = 0.10
    exit: Real = 0.05
    tilt: Share = Fraction(9, 10)
    days: Count = 14

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._looser("exit", "excess")
        return self


class Actions(Section):
    OVERLEVERAGED: Action = "REDUCE"
    LOSING_MOMENTUM: Action = "REDUCE"
    UNSTABLE: Action = "TRIM"
    CAPITULATION: Action = "HOLD"
    ACCUMULATION: Action = "INCREASE"
    NEUTRAL: Action = "HOLD"
    NO_DATA: Literal["FREEZE"] = "FREEZE"
    STALE: Literal["FREEZE"] = "FREEZE"


class Multipliers(Section):
    REDUCE: Share = Fraction(3, 4)
    TRIM: Share = Fraction(5, 6)
    REDUCE_AFTER_TRIM: Share = Fraction(9, 10)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._require(self.REDUCE <= self.TRIM, "TRIM", f"must not cut deeper than REDUCE {self.REDUCE}")
        both = self.TRIM * self.REDUCE_AFTER_TRIM
        rule = f"after TRIM it leaves {both}, a deeper cut than REDUCE {self.REDUCE}; raise it"
        self._require(both >= self.REDUCE, "REDUCE_AFTER_TRIM", rule)
        return self


class Limits(Section):
    sector_cap: Share = Fraction(1, 2)
    tilt_cap: Multiple = Fraction(3, 2)
    max_step: Share = Fraction(1, 5)
    turnover_cap: Share = Fraction(1, 4)
    band: Share = Fraction(1, 100)
    band_frac: Share = Fraction(1, 10)
    floor_frac: Share = Fraction(1, 2)
    cash_target: Share = Fraction(0)
    cash_cap: Share = Fraction(3, 10)
    recentre: Share = Fraction(1)
    recentre_after_days: Count = 7
    min_trade_usd: NotNegative = 25

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._require(self.sector_cap > 0, "sector_cap", "must be above 0")
        cap = self.cash_cap
        self._require(self.cash_target <= cap, "cash_target", f"must not exceed cash_cap {cap}")
        return self


class Costs(Section):
    spot_fee: Unit = 0.0010
    perp_taker: Unit = 0.0005
    slip_major: Unit = 0.0005
    slip_alt: Unit = 0.0015
    perp_slip: Unit = 0.0002


class Hedge(Section):
    assets: tuple[Name, ...] = ("BTC", "ETH")
    exchange: Name = "binance"
    ratio: Share = Fraction(1, 10)
    leverage: Literal[1] = 1
    f: Real = 3.0
    pct: Unit = 0.95
    oi_z: Real = 1.0
    oi_usd_z: Real = 1.0
    breadth: Unit = 0.60
    breadth_f: Real = 3.0
    breadth_pct: Unit = 0.90
    breadth_exit: Unit = 0.30
    mode: Literal["notional", "beta"] = "notional"
    beta_days: Count = 90
    beta_shrink: Share = Fraction(2, 3)
    beta_max: Positive = 2
    exit_f: Real = 1.5
    exit_pct: Unit = 0.60
    exit_negative_settlements: Count = 3
    max_days: Count = 30
    reentry_days: Days = 7
    resize: NotNegative = 0.20

    @model_validator(mode="after")
    def _check(self) -> Self:
        for leave, enter in (("exit_f", "f"), ("exit_pct", "pct"), ("breadth_exit", "breadth")):
            self._looser(leave, enter)
        return self


class Tactical(Section):
    enabled: Annotated[bool, Field(strict=True)] = False
    max_leverage: Annotated[float, Field(strict=True, ge=1, le=2)] = 2
    margin: Share = Fraction(1, 10)
    vr: Positive = 1.5
    mom: Real = 0.05
    spread_z: Real = 1.0
    risk_nav: Unit = 0.005
    stop_vols: Positive = 2
    days: Count = 21


class Liquidity(Section):
    limit_up: Positive = 0.05
    days: Count = 14


class Budgets(Section):
    hedge: Share = Fraction(1, 2)
    liquidity: Share = Fraction(1, 2)
    tactical: Share = Fraction(1, 4)
    reserve: Share = Fraction(3, 10)
    venue: Share = Fraction(3, 5)
    asset: Share = Fraction(1, 2)
    gross_nav: Share = Fraction(2, 5)
    alert_role: Share = Fraction(3, 5)
    alert_used: Share = Fraction(1, 4)
    margin_buffer: Multiple = Fraction(3, 2)
    correlation_min_days: Count = 60


class SectorExpression(Section):
    """How one sector is expressed; a key left out (null) uses the general expression."""

    reduce: ReduceExpression | None = None
    bullish: BullishExpression | None = None


class Expression(Section):
    reduce: ReduceExpression = "sell_spot"
    bullish: BullishExpression = "spot"
    sectors: dict[str, SectorExpression] = {}

    def reduce_for(self, sector: str) -> ReduceExpression:
        """How a REDUCE of `sector` is carried out."""
        own = self.sectors.get(sector)
        return self.reduce if own is None or own.reduce is None else own.reduce


class Scenarios(Section):
    shocks: tuple[Annotated[float, Field(strict=True, gt=-1)], ...] = (
        *(-0.5, -0.3, -0.2, -0.1, -0.05, 0),
        *(0.05, 0.1, 0.2, 0.5, 1.0),
    )
    horizons_days: tuple[Count, ...] = (1, 7, 30)
    flip_bps: Real = -3
    linear_days: Count = 7
    rest_bps: Real = 1
    mmr: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.004
    wanted_offset: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.80


class Claims(Section):
    placebo_draws: Count = 1000
    bootstrap_draws: Count = 10000
    block_days: Count = 28
    confidence: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.95
    placebo_p: Unit = 0.05
    dsr: Unit = 0.95
    min_years: Positive = 2
    min_decisions: Count = 50
