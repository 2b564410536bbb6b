"""One night of three sectors, written out: DEFI is sold, L1 bought, MEMES wants a cut and gets none; BTC is hedged."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from pipelines.policy import Policy
from pipelines.report.data import Night
from pipelines.signals.metrics import SectorMetrics
from pipelines.signals.rules import build_rules
from pipelines.signals.states import rule_trace

DAY = date(2026, 11, 20)
DAYS = [DAY - timedelta(days=back) for back in reversed(range(40))]
SECTORS = ("L1", "DEFI", "MEMES")
VOID = ("meta", "link", "br", "hr", "img", "path", "line", "rect", "circle")


class Page(HTMLParser):
    """A page taken apart: every tag with its attributes, the ids, and the text outside `style`."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.tags if "id" in attributes]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def metrics_of(**changed: Any) -> SectorMetrics:
    """A quiet sector; `changed` says what is not quiet."""
    quiet: dict[str, Any] = dict(  # noqa: C408
        funding_3d_bps=1.8, funding_pctl_90d=0.5, market_excess_bps=0.1, funding_peak_28d_bps=2.0,
        funding_stdev_14d_bps=0.2, funding_stdev_median_90d_bps=0.4, funding_sign_flips_14d=0, volatility_pctl_90d=0.4,
        open_interest_z_90d=0.2, open_interest_usd_z_90d=0.3, open_interest_change_7d_frac=0.01,
        volume_ratio_7d_28d=1.0, momentum_14d_frac=0.05, momentum_14d_peak_28d_frac=0.1, coverage_frac=1.0,
        is_fresh=True,
    )  # fmt: skip
    return SectorMetrics(**(quiet | changed))


def signal_row(sector: str, state: str, action: str, metrics: SectorMetrics, **changed: Any) -> dict[str, Any]:
    trace = [vars(record) for record in rule_trace(metrics, build_rules(Policy()), None)]
    row = {
        "as_of_date": DAY, "sector": sector, "raw_state": state, "latched_state": state, "state": state,
        "previous_state": state, "action": action, "reason_codes": [], **vars(metrics),
        "rule_trace": json.dumps(trace), "distance_to_flip": "[]", "leader_count": 3,
        "explanation": f"{sector}: {state}. Because of {sector}.",
    }  # fmt: skip
    return row | changed


def target_row(
    sector: str, state: str | None, action: str | None, current: float, target: float, **changed: Any
) -> dict[str, Any]:
    row = {
        "as_of_date": DAY, "sector": sector, "state": state, "action": action,
        "current_weight_frac": current / 80_000, "target_weight_frac": target / 80_000,
        "delta_weight_frac": (target - current) / 80_000, "current_usd": current, "target_usd": target,
        "delta_usd": target - current, "reason_codes": [], "decision_id": "d",
        "explanation": f"{sector}: {state}. Because of {sector}. Held at ${current:,.0f}.",
    }  # fmt: skip
    return row | changed


def hedge_row(**changed: Any) -> dict[str, Any]:
    row = {
        "as_of_date": DAY, "hedge_id": "hedge-BTC-1", "role": "hedge", "trigger": "OVERBOUGHT", "exchange": "binance",
        "symbol": "BTC/USDT:USDT", "asset": "BTC", "side": "short", "opened_date": DAY, "mark_price_usd": 50_000.0,
        "quantity_base": 0.04, "notional_usd": 2_000.0, "leverage": 1.0, "margin_usd": 2_000.0,
        "exposure_usd": 20_000.0, "hedge_ratio_frac": 0.1, "offset_frac": 0.1, "ratio_for_80pct_offset_frac": 0.8,
        "liquidation_move_frac": 0.992, "status": "open", "reason": None, "explanation": "BTC: opened.",
        "decision_id": "d",
    }  # fmt: skip
    return row | changed


def scenario_rows() -> list[dict[str, Any]]:
    """A short of $2,000 on $20,000: the price moves it by -2,000 * shock; funding +10, cost 2.80."""
    return [
        {
            "as_of_date": DAY, "hedge_id": "hedge-BTC-1", "shock_frac": shock, "horizon_days": days,
            "funding_path": path, "spot_pnl_usd": 20_000 * shock, "hedge_price_pnl_usd": -2_000 * shock,
            "funding_pnl_usd": 10.0, "cost_usd": 2.8, "net_pnl_usd": 18_000 * shock + 7.2,
            "offset_frac": 0.1, "offset_price_only_frac": 0.1, "is_liquidated": False,
        }
        for shock in (-0.5, -0.1, 0.1, 0.5)
        for days in (1, 7)
        for path in ("persist", "flip")
    ]  # fmt: skip


@pytest.fixture
def night() -> Night:
    loud = metrics_of(open_interest_change_7d_frac=-0.12, momentum_14d_frac=-0.2)
    return Night(
        day=DAY,
        info={
            "release_id": "000002-20261120", "published_at": datetime(2026, 11, 21, 0, 16), "as_of_date": DAY,
            "source": "simulated", "is_simulated": True, "policy_hash": "p", "input_hash": "i", "git_sha": None,
        },
        decision={
            "decision_id": "d", "as_of_date": DAY, "decided_at": datetime(2026, 11, 21, 0, 15),
            "policy_hash": Policy().canonical_hash(), "input_hash": "i", "code_version": "0.1.0",
            "pit_quality": "observed", "source": "simulated", "cadence": "daily", "portfolio_value_usd": 100_000.0,
            "spot_sleeve_usd": 80_000.0, "futures_sleeve_usd": 20_000.0, "status": "decided", "reason": None,
            "turnover_frac": 0.1, "book_json": json.dumps({"cuts": {"MEMES": ["2026-11-10", "REDUCE"]}}),
        },
        previous_day=DAY - timedelta(days=1),
        previous_value_usd=99_000.0,
        targets=[
            target_row("DEFI", "LOSING_MOMENTUM", "REDUCE", 32_000, 24_000),
            target_row("L1", "ACCUMULATION", "INCREASE", 24_000, 32_000),
            target_row(
                "MEMES", "UNSTABLE", "TRIM", 16_000, 16_000, reason_codes=["COOLDOWN"],
                explanation="MEMES: UNSTABLE. Because of MEMES. Held at $16,000. It was cut lately.",
            ),
            target_row("CASH", None, None, 8_000, 8_000, explanation="CASH. Held at $8,000."),
        ],
        signals=[
            signal_row("DEFI", "LOSING_MOMENTUM", "REDUCE", loud),
            signal_row("L1", "ACCUMULATION", "INCREASE", metrics_of(), latched_state="NEUTRAL"),
            signal_row("MEMES", "UNSTABLE", "TRIM", metrics_of(funding_sign_flips_14d=5, volatility_pctl_90d=0.9)),
        ],
        previous_signals=[
            signal_row("DEFI", "NEUTRAL", "HOLD", metrics_of()),
            signal_row("L1", "ACCUMULATION", "INCREASE", metrics_of()),
            signal_row("MEMES", "UNSTABLE", "TRIM", metrics_of()),
        ],
        hedges=[hedge_row()],
        scenarios=scenario_rows(),
        strategic_weights={"L1": 0.4, "DEFI": 0.4, "MEMES": 0.2},
        sector_names={"L1": "Layer 1", "DEFI": "Decentralised finance", "MEMES": "Memes"},
        weights=[
            {"as_of_date": day, "sector": name, "target_weight_frac": weight}
            for day in DAYS[-5:]
            for name, weight in (("L1", 0.4), ("DEFI", 0.3), ("MEMES", 0.2), ("CASH", 0.1))
        ],
        funding=[
            {
                "date": day, "sector": name, "funding_8h_bps": -3.0 + number % 9, "funding_3d_bps": number % 9 - 3.0,
                "leaders": ["ETH", "SOL"],
            }
            for number, day in enumerate(DAYS)
            for name in SECTORS
        ],
        open_interest=[
            {
                "date": day, "sector": name, "open_interest_index": 50.0 + number,
                "open_interest_change_7d_frac": 0.01 * number, "momentum_14d_frac": 0.01 * (number - 20),
                "volume_ratio_7d_28d": 1.0,
            }
            for number, day in enumerate(DAYS)
            for name in SECTORS
        ],
        spreads=[
            {"date": day, "sector": name, "reference_sector": "L1", "spread_z_90d": 0.1 * number}
            for number, day in enumerate(DAYS)
            for name in SECTORS[1:]
        ],
        spread_matrix=[
            {"sector": one, "reference_sector": other, "spread_z_90d": 1.7, "spread_change_14d_log": 0.1}
            for one in SECTORS
            for other in SECTORS
            if one != other
        ],
        curve=[
            {
                "date": DAY, "exchange": exchange, "asset": "BTC", "front_days": 30.0, "far_days": 120.0,
                "front_basis_annualised": 0.08, "far_basis_annualised": 0.06, "slope_annualised": -0.02,
                "shape": "CONTANGO", "is_front_rich": False,
            }
            for exchange in ("binance", "bybit")
        ],
        health=[
            {
                "date": DAY, "sector": name, "coverage_frac": 1.0, "newest_row_at": datetime(2026, 11, 21),
                "is_fresh": True, "is_complete": True, "reason": "complete",
                "exchanges_left_out": ["bybit: stale (UNI)"] if name == "DEFI" else None,
            }
            for name in SECTORS
        ],
        failed_checks=[
            {
                "check_name": "rows_follow_each_other", "asset_key": "raw/funding_rates", "severity": "warning",
                "details": "two gaps", "failed_rows": 2, "is_blocking": False,
            }
        ],
        loads=[
            {
                "exchange": "weex", "dataset": "open_interest", "status": "failed", "error": "HTTP 500", "loads": 2,
                "symbols": ["ADA/USDT:USDT", "UNI/USDT:USDT"],
            }
        ],
    )  # fmt: skip


@pytest.fixture
def changed(night) -> Callable[..., Night]:
    """The night with other fields."""
    return lambda **fields: replace(night, **fields)


@pytest.fixture(scope="session")
def take_apart() -> Callable[[str], Page]:
    """A page's tags, ids and text."""
    return Page


@pytest.fixture(scope="session")
def trace_of() -> Callable[..., list[dict[str, Any]]]:
    """The rule trace of a quiet sector with other metrics."""
    return lambda **metrics: [vars(r) for r in rule_trace(metrics_of(**metrics), build_rules(Policy()), None)]
