"""Every table that Python writes: its columns, their types and its key. The one place for table shapes.

dbt owns the marts and enforces their contracts in its own yml files; everything else in the warehouse
(raw facts, portfolio, quality) is created from the definitions below.
"""

from dataclasses import dataclass

TEXT, BIGINT, INTEGER, DOUBLE, BOOLEAN = "VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN"
TIMESTAMP, DATE, TEXT_LIST = "TIMESTAMP", "DATE", "VARCHAR[]"


@dataclass(frozen=True)
class Table:
    """One table of the warehouse.

    Attributes:
        schema: `raw`, `portfolio` or `quality`.
        name: The table's name inside its schema.
        columns: Column name to DuckDB type, in the table's order.
        key: Columns that name a row. A fact table's key ends with `ingested_at`: a changed value is a new row.
        values: Columns whose change makes a new revision of a fact; empty for tables that are not facts.
    """

    schema: str
    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    values: tuple[str, ...] = ()

    @property
    def qualified_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def event_column(self) -> str | None:
        """The column that says when a fact happened: candle open, settlement or observation; None without one."""
        return next((c for c in ("opened_at", "settled_at", "observed_at") if c in self.columns), None)

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The key without the knowledge time: what one fact is about."""
        return tuple(column for column in self.key if column != "ingested_at")


LINEAGE = {
    "available_at": TIMESTAMP,  # when anybody could have known the value: event time + publication lag
    "ingested_at": TIMESTAMP,  # when this warehouse learned it
    "pit_quality": TEXT,  # observed: ingested within a day of the event; assumed: backfilled later
    "source": TEXT,  # live, simulated, recorded, archive
    "batch_id": TEXT,
}
_CANDLE = {
    "open": DOUBLE,
    "high": DOUBLE,
    "low": DOUBLE,
    "close": DOUBLE,
    "volume_base": DOUBLE,
    "volume_quote": DOUBLE,
}

INSTRUMENTS = Table(
    "raw",
    "instruments",
    {
        "exchange": TEXT,
        "symbol": TEXT,
        "market_type": TEXT,
        "base": TEXT,
        "quote": TEXT,
        "settle": TEXT,
        "is_linear": BOOLEAN,
        "contract_size": DOUBLE,
        "contract_multiplier": DOUBLE,
        "expiry_at": TIMESTAMP,
        "listed_at": TIMESTAMP,
        "delist_at": TIMESTAMP,
        "is_active": BOOLEAN,
        "lot_step": DOUBLE,
        "tick_size": DOUBLE,
        "min_notional_usd": DOUBLE,
        **LINEAGE,
    },
    key=("exchange", "symbol", "ingested_at"),
    values=(
        "market_type", "base", "quote", "settle", "is_linear", "contract_size", "contract_multiplier",
        "expiry_at", "listed_at", "delist_at", "is_active", "lot_step", "tick_size", "min_notional_usd",
    ),
)  # fmt: skip

SPOT_OHLCV = Table(
    "raw",
    "spot_ohlcv",
    {"exchange": TEXT, "symbol": TEXT, "timeframe": TEXT, "opened_at": TIMESTAMP, **_CANDLE, **LINEAGE},
    key=("exchange", "symbol", "timeframe", "opened_at", "ingested_at"),
    values=tuple(_CANDLE),
)

FUTURES_OHLCV = Table(
    "raw",
    "futures_ohlcv",
    {
        "exchange": TEXT,
        "symbol": TEXT,
        "market_type": TEXT,
        "price_type": TEXT,
        "timeframe": TEXT,
        "opened_at": TIMESTAMP,
        **_CANDLE,
        **LINEAGE,
    },
    key=("exchange", "symbol", "price_type", "timeframe", "opened_at", "ingested_at"),
    values=("market_type", *_CANDLE),
)

FUNDING_RATES = Table(
    "raw",
    "funding_rates",
    {
        "exchange": TEXT,
        "symbol": TEXT,
        "settled_at": TIMESTAMP,
        "funding_rate": DOUBLE,
        "interval_hours": DOUBLE,
        "mark_price": DOUBLE,
        **LINEAGE,
    },
    key=("exchange", "symbol", "settled_at", "ingested_at"),
    values=("funding_rate", "interval_hours", "mark_price"),
)

OPEN_INTEREST = Table(
    "raw",
    "open_interest",
    {
        "exchange": TEXT,
        "symbol": TEXT,
        "observed_at": TIMESTAMP,
        "open_interest_contracts": DOUBLE,
        "open_interest_base": DOUBLE,
        "open_interest_usd": DOUBLE,
        "source_kind": TEXT,
        **LINEAGE,
    },
    key=("exchange", "symbol", "observed_at", "ingested_at"),
    values=("open_interest_contracts", "open_interest_base", "open_interest_usd"),
)

LOAD_BATCHES = Table(
    "raw",
    "load_batches",
    {
        "batch_id": TEXT,
        "run_id": TEXT,
        "exchange": TEXT,
        "dataset": TEXT,
        "symbol": TEXT,  # NULL where one request serves every symbol
        "price_type": TEXT,  # NULL outside futures candles
        "timeframe": TEXT,  # NULL outside candles and open interest
        "window_start_at": TIMESTAMP,
        "window_end_at": TIMESTAMP,
        "covered_until_at": TIMESTAMP,  # where the next run resumes: end of the newest row that arrived
        "started_at": TIMESTAMP,
        "ended_at": TIMESTAMP,
        "requests": INTEGER,
        "rows_received": BIGINT,
        "rows_written": BIGINT,
        "rows_quarantined": BIGINT,
        "status": TEXT,  # ok, empty, absent, failed
        "error": TEXT,
        "payload_sha256": TEXT,
    },
    key=("batch_id",),
)

QUARANTINE = Table(
    "raw",
    "quarantine",
    {
        "batch_id": TEXT,
        "row_number": BIGINT,
        "dataset": TEXT,
        "exchange": TEXT,
        "symbol": TEXT,
        "row_json": TEXT,
        "rule": TEXT,
        "quarantined_at": TIMESTAMP,
    },
    key=("batch_id", "row_number"),
)

DECISIONS = Table(
    "portfolio",
    "decisions",
    {
        "decision_id": TEXT,
        "as_of_date": DATE,
        "decided_at": TIMESTAMP,
        "policy_hash": TEXT,
        "input_hash": TEXT,
        "code_version": TEXT,
        "pit_quality": TEXT,
        "source": TEXT,
        "cadence": TEXT,
        "portfolio_value_usd": DOUBLE,
        "spot_sleeve_usd": DOUBLE,
        "futures_sleeve_usd": DOUBLE,
        "status": TEXT,
        "reason": TEXT,
        "turnover_frac": DOUBLE,
        "book_json": TEXT,  # the held book after this decision: the next night starts from it
        "tilt_cash_usd": DOUBLE,
        "explanation": TEXT,
        "portfolio_hash": TEXT,  # digest of the portfolio file; NULL for the paper book that began as cash
        "taxonomy_hash": TEXT,
    },
    key=("decision_id",),
)

_METRICS = {
    "funding_3d_bps": DOUBLE,
    "funding_pctl_90d": DOUBLE,
    "market_excess_bps": DOUBLE,
    "funding_peak_28d_bps": DOUBLE,
    "funding_stdev_14d_bps": DOUBLE,
    "funding_stdev_median_90d_bps": DOUBLE,
    "funding_sign_flips_14d": BIGINT,
    "volatility_pctl_90d": DOUBLE,
    "open_interest_z_90d": DOUBLE,
    "open_interest_usd_z_90d": DOUBLE,
    "open_interest_change_7d_frac": DOUBLE,
    "volume_ratio_7d_28d": DOUBLE,
    "momentum_14d_frac": DOUBLE,
    "momentum_14d_peak_28d_frac": DOUBLE,
}

SECTOR_SIGNALS = Table(
    "portfolio",
    "sector_signals",
    {
        "as_of_date": DATE,
        "sector": TEXT,
        "raw_state": TEXT,
        "latched_state": TEXT,
        "state": TEXT,
        "previous_state": TEXT,
        "action": TEXT,
        "reason_codes": TEXT_LIST,
        **_METRICS,
        "spread_z": TEXT,
        "coverage_frac": DOUBLE,
        "is_fresh": BOOLEAN,
        "leader_count": BIGINT,
        "rule_trace": TEXT,
        "distance_to_flip": TEXT,
        "explanation": TEXT,
        "decided_at": TIMESTAMP,  # nothing ingested later was read, neither here nor by the day's decision
    },
    key=("as_of_date", "sector"),
)

TARGET_ALLOCATIONS = Table(
    "portfolio",
    "target_allocations",
    {
        "as_of_date": DATE,
        "sector": TEXT,
        "state": TEXT,
        "action": TEXT,
        "current_weight_frac": DOUBLE,
        "target_weight_frac": DOUBLE,
        "delta_weight_frac": DOUBLE,
        "current_usd": DOUBLE,
        "target_usd": DOUBLE,
        "delta_usd": DOUBLE,
        "current_weight_exact": TEXT,
        "target_weight_exact": TEXT,
        "reason_codes": TEXT_LIST,
        "explanation": TEXT,
        "decision_id": TEXT,
        "strategic_weight_frac": DOUBLE,  # NULL for CASH
        "active_weight_frac": DOUBLE,  # target less strategic weight; NULL for CASH
    },
    key=("as_of_date", "sector"),
)

HEDGES = Table(
    "portfolio",
    "hedges",
    {
        "as_of_date": DATE,
        "hedge_id": TEXT,
        "role": TEXT,
        "trigger": TEXT,
        "exchange": TEXT,
        "symbol": TEXT,
        "asset": TEXT,
        "side": TEXT,
        "opened_date": DATE,
        "mark_price_usd": DOUBLE,
        "quantity_base": DOUBLE,
        "notional_usd": DOUBLE,
        "leverage": DOUBLE,
        "margin_usd": DOUBLE,
        "exposure_usd": DOUBLE,
        "hedge_ratio_frac": DOUBLE,
        "offset_frac": DOUBLE,
        "ratio_for_80pct_offset_frac": DOUBLE,
        "liquidation_move_frac": DOUBLE,
        "status": TEXT,
        "reason": TEXT,
        "explanation": TEXT,
        "decision_id": TEXT,
        "sector": TEXT,  # NULL for a hedge, which protects an asset over all sectors
        "entry_price_usd": DOUBLE,
        "beta": DOUBLE,
        "beta_r2_frac": DOUBLE,
        "residual_risk_annualised": DOUBLE,
        "expires_date": DATE,  # NULL for a position that no date ends
    },
    key=("as_of_date", "hedge_id"),
)

HEDGE_SCENARIOS = Table(
    "portfolio",
    "hedge_scenarios",
    {
        "as_of_date": DATE,
        "hedge_id": TEXT,
        "shock_frac": DOUBLE,
        "horizon_days": INTEGER,
        "funding_path": TEXT,
        "spot_pnl_usd": DOUBLE,
        "hedge_price_pnl_usd": DOUBLE,
        "funding_pnl_usd": DOUBLE,
        "cost_usd": DOUBLE,
        "net_pnl_usd": DOUBLE,
        "offset_frac": DOUBLE,
        "offset_price_only_frac": DOUBLE,
        "is_liquidated": BOOLEAN,
    },
    key=("as_of_date", "hedge_id", "shock_frac", "horizon_days", "funding_path"),
)

ALLOCATION_SNAPSHOTS = Table(
    "portfolio",
    "allocation_snapshots",
    {
        "as_of_date": DATE,
        "snapshot_id": TEXT,
        "decision_id": TEXT,
        "taken_at": TIMESTAMP,
        "allocations_json": TEXT,
        "hedges_json": TEXT,
        "orders_json": TEXT,
        "decided_at": TIMESTAMP,
        "previous_decision_id": TEXT,  # the decision whose book this one continued; NULL for the first one
        "policy_hash": TEXT,
        "input_hash": TEXT,
        "taxonomy_hash": TEXT,
        "portfolio_hash": TEXT,
        "code_version": TEXT,
        "source": TEXT,
    },
    key=("as_of_date", "snapshot_id"),
)

POLICIES = Table(
    "portfolio",
    "policies",  # append-only: every policy that a decision was made under
    {"policy_hash": TEXT, "policy_json": TEXT, "first_used_at": TIMESTAMP},
    key=("policy_hash",),
)

TAXONOMIES = Table(
    "portfolio",
    "taxonomies",  # append-only: the seed files of every taxonomy that a decision was made under
    {"taxonomy_hash": TEXT, "file": TEXT, "content": TEXT, "first_used_at": TIMESTAMP},
    key=("taxonomy_hash", "file"),
)

PORTFOLIOS = Table(
    "portfolio",
    "portfolios",  # append-only: every portfolio file that a decision was made under
    {"portfolio_hash": TEXT, "portfolio_json": TEXT, "first_used_at": TIMESTAMP},
    key=("portfolio_hash",),
)

ASSET_TARGETS = Table(
    "portfolio",
    "asset_targets",
    {
        "as_of_date": DATE,
        "sector": TEXT,
        "asset": TEXT,
        "price_usd": DOUBLE,
        "is_stale_price": BOOLEAN,
        "is_buyable": BOOLEAN,
        "is_sellable": BOOLEAN,
        "current_quantity_base": DOUBLE,
        "target_quantity_base": DOUBLE,
        "current_weight_frac": DOUBLE,
        "target_weight_frac": DOUBLE,
        "current_usd": DOUBLE,
        "target_usd": DOUBLE,
        "reason_codes": TEXT_LIST,
        "decision_id": TEXT,
    },
    key=("as_of_date", "sector", "asset"),
)

REBALANCE_TRADES = Table(
    "portfolio",
    "rebalance_trades",
    {
        "as_of_date": DATE,
        "trade_id": TEXT,
        "exchange": TEXT,
        "symbol": TEXT,
        "sector": TEXT,
        "asset": TEXT,
        "side": TEXT,  # sell, buy
        "quantity_base": DOUBLE,
        "price_usd": DOUBLE,
        "notional_usd": DOUBLE,
        "fee_usd": DOUBLE,
        "slippage_usd": DOUBLE,
        "reason_codes": TEXT_LIST,
        "decision_id": TEXT,
    },
    key=("as_of_date", "trade_id"),
)

FUTURES_SLEEVE = Table(
    "portfolio",
    "futures_sleeve",
    {
        "as_of_date": DATE,
        "decision_id": TEXT,
        "collateral_usd": DOUBLE,
        "used_margin_usd": DOUBLE,
        "used_margin_hedge_usd": DOUBLE,
        "used_margin_liquidity_usd": DOUBLE,
        "used_margin_tactical_usd": DOUBLE,
        "free_margin_usd": DOUBLE,
        "gross_notional_usd": DOUBLE,
        "net_notional_usd": DOUBLE,
        "gross_notional_nav_frac": DOUBLE,
        "net_beta_usd": DOUBLE,
        "breadth_frac": DOUBLE,
        "margin_hhi": DOUBLE,
        "is_concentrated": BOOLEAN,
        "concentration_role": TEXT,
        "share_of_nav_frac": DOUBLE,
        "proposed_transfer_usd": DOUBLE,  # positive: from spot cash into the futures sleeve
        "worst_scenario_usd": DOUBLE,
        "role_correlations": TEXT,
        "notes": TEXT_LIST,
        "explanation": TEXT,
    },
    key=("as_of_date",),
)

LEDGER = Table(
    "portfolio",
    "ledger",
    {
        "entry_id": TEXT,
        "transaction_id": TEXT,
        "as_of_date": DATE,  # the night that booked it
        "decision_id": TEXT,  # NULL for the opening
        "booked_at": TIMESTAMP,  # world time of the event
        "book": TEXT,  # spot, futures, cash
        "account": TEXT,
        "role": TEXT,  # spot, hedge, liquidity, tactical; NULL for cash that belongs to none
        "asset": TEXT,
        "exchange": TEXT,
        "quantity_base": DOUBLE,
        "price_usd": DOUBLE,
        "amount_usd": DOUBLE,
        "kind": TEXT,  # fill, fee, slippage, funding, transfer, mark
        "reason": TEXT,
    },
    key=("entry_id",),
)

NAV_DAILY = Table(
    "portfolio",
    "nav_daily",
    {
        "as_of_date": DATE,
        "decision_id": TEXT,
        "nav_usd": DOUBLE,
        "spot_usd": DOUBLE,
        "spot_cash_usd": DOUBLE,
        "tilt_cash_usd": DOUBLE,
        "futures_equity_usd": DOUBLE,
        "realised_pnl_usd": DOUBLE,
        "unrealised_pnl_usd": DOUBLE,
        "fees_usd": DOUBLE,
        "slippage_usd": DOUBLE,
        "funding_usd": DOUBLE,
        "spot_pnl_usd": DOUBLE,
        "hedge_pnl_usd": DOUBLE,
        "liquidity_pnl_usd": DOUBLE,
        "tactical_pnl_usd": DOUBLE,
    },
    key=("as_of_date",),
)

CHECK_RESULTS = Table(
    "quality",
    "check_results",
    {
        "run_id": TEXT,
        "check_name": TEXT,
        "asset_key": TEXT,
        "severity": TEXT,
        "is_blocking": BOOLEAN,
        "passed": BOOLEAN,
        "evaluated": BIGINT,
        "failed_rows": BIGINT,
        "details": TEXT,
        "checked_at": TIMESTAMP,
    },
    key=("run_id", "check_name", "asset_key"),
)

RELEASE_LOG = Table(
    "quality",
    "release_log",
    {
        "release_id": TEXT,
        "published_at": TIMESTAMP,
        "as_of_date": DATE,
        "source": TEXT,  # simulated, example, recorded or live: what the numbers are made from
        "git_sha": TEXT,
        "policy_hash": TEXT,
        "input_hash": TEXT,
        "row_counts": TEXT,
        "checks_passed": BIGINT,
    },
    key=("release_id",),
)

INPUT_DIGESTS = Table(
    "quality",
    "input_digests",
    {
        "table_name": TEXT,
        "event_date": DATE,  # day of the fact's event; 1970-01-01 for instruments, which have none
        "decision_date": DATE,  # first decision day that could read these rows
        "row_count": BIGINT,  # newest revisions that went into the digest
        "stored_rows": BIGINT,  # every revision of the event day: tells whether the digest is still current
        "newest_ingested_at": TIMESTAMP,
        "layout": TEXT,  # the columns that were hashed: a table that gains one is hashed anew
        "digest": TEXT,
    },
    key=("table_name", "event_date", "decision_date"),
)

RELEASE_INFO = Table(
    "quality",
    "release_info",  # one row, only inside a release: which release this file is
    {
        "release_id": TEXT,
        "published_at": TIMESTAMP,
        "as_of_date": DATE,
        "source": TEXT,
        "is_simulated": BOOLEAN,
        "git_sha": TEXT,
        "policy_hash": TEXT,
        "input_hash": TEXT,
    },
    key=("release_id",),
)

WAREHOUSE_ORIGIN = Table(
    "quality",
    "warehouse_origin",
    {"source": TEXT, "detail": TEXT, "first_used_at": TIMESTAMP},
    key=("source",),
)

PORTFOLIO_BASIS = Table(
    "quality",
    "portfolio_basis",
    {
        "release_id": TEXT,  # the release that the portfolio tables agree with; NULL while a run changes them
        "run_id": TEXT,  # the run that changes them
    },
    key=("release_id",),
)

FACTS = (INSTRUMENTS, SPOT_OHLCV, FUTURES_OHLCV, FUNDING_RATES, OPEN_INTEREST)
RAW = (*FACTS, LOAD_BATCHES, QUARANTINE)
PORTFOLIO = (
    DECISIONS, SECTOR_SIGNALS, TARGET_ALLOCATIONS, ASSET_TARGETS, REBALANCE_TRADES, HEDGES, HEDGE_SCENARIOS,
    FUTURES_SLEEVE, LEDGER, NAV_DAILY, ALLOCATION_SNAPSHOTS, POLICIES, TAXONOMIES, PORTFOLIOS,
)  # fmt: skip
QUALITY = (CHECK_RESULTS, RELEASE_LOG, INPUT_DIGESTS, WAREHOUSE_ORIGIN, PORTFOLIO_BASIS)
TABLES = (*RAW, *PORTFOLIO, *QUALITY)
