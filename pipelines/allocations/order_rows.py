"""Asset targets and orders as rows of the warehouse: here exact numbers become floats, and nowhere before."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pipelines.allocations.asset_targets import AssetTarget
from pipelines.allocations.trades import Order


def asset_target_rows(as_of: dt.date, targets: Sequence[AssetTarget], decision_id: str) -> list[dict[str, Any]]:
    """Rows of `portfolio.asset_targets`, one per asset, in the order given; a null price was never known."""
    return [
        {
            "as_of_date": as_of,
            "sector": one.sector,
            "asset": one.asset,
            "price_usd": None if one.price_usd is None else float(one.price_usd),
            "is_stale_price": one.is_stale_price,
            "is_buyable": one.is_buyable,
            "is_sellable": one.is_sellable,
            "current_quantity_base": float(one.current_quantity_base),
            "target_quantity_base": float(one.target_quantity_base),
            "current_weight_frac": float(one.current_weight),
            "target_weight_frac": float(one.target_weight),
            "current_usd": float(one.current_usd),
            "target_usd": float(one.target_usd),
            "reason_codes": list(one.reason_codes),
            "decision_id": decision_id,
        }
        for one in targets
    ]


def trade_rows(as_of: dt.date, orders: Sequence[Order], decision_id: str) -> list[dict[str, Any]]:
    """Rows of `portfolio.rebalance_trades`, one per order; the id numbers the orders in the order given, from 1."""
    return [
        {
            "as_of_date": as_of,
            "trade_id": trade_id(as_of, number, one),
            "exchange": one.exchange,
            "symbol": one.symbol,
            "sector": one.sector,
            "asset": one.asset,
            "side": one.side,
            "quantity_base": float(one.quantity_base),
            "price_usd": float(one.price_usd),
            "notional_usd": float(one.notional_usd),
            "fee_usd": float(one.fee_usd),
            "slippage_usd": float(one.slippage_usd),
            "reason_codes": list(one.reason_codes),
            "decision_id": decision_id,
        }
        for number, one in enumerate(orders, start=1)
    ]


def trade_id(as_of: dt.date, number: int, order: Order) -> str:
    """The id of a day's order, for example `2024-03-04-01-sell-BTC-binance`."""
    return f"{as_of}-{number:02d}-{order.side}-{order.asset}-{order.exchange}"
