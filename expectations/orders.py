"""The gate of the orders: are they large enough to trade, and is there enough to sell?

Only the newest night is judged: earlier ones were judged when they were made, by the policy of their own night.
"""

from expectations.model import REPORT_IT, Check, Parameters, Question

_TRADES, _ASSETS = "portfolio.rebalance_trades", "portfolio.asset_targets"


def order_questions(p: Parameters) -> list[Question]:
    """Questions about the spot orders of the newest night."""
    return [_orders(p), _sales(p)]


def _orders(p: Parameters) -> Question:
    return Question(
        _TRADES,
        f"""
        select as_of_date, trade_id, notional_usd,
            coalesce(round(notional_usd - {p.min_trade_usd!r}, 2), -1) as usd_above_minimum
        from {_TRADES}
        where as_of_date = date '{p.as_of_date}'
        """,
        ("as_of_date", "trade_id", "notional_usd"),
        (
            Check(
                "usd_above_minimum",
                f"An order is smaller than {p.min_trade_usd:g} USD: too small to trade.",
                REPORT_IT,
                minimum=0,
            ),
        ),
        (_TRADES,),
    )  # fmt: skip


def _sales(p: Parameters) -> Question:
    return Question(
        _ASSETS,
        f"""
        select as_of_date, asset, current_quantity_base,
            -- nine digits of the quantity: what the floats of the two tables agree in
            coalesce(sold_base, 0) - current_quantity_base * (1 + 1e-9) as coins_oversold
        from {_ASSETS}
        left join (
            select as_of_date, asset, sum(quantity_base) as sold_base
            from {_TRADES} where side = 'sell' group by all
        ) using (as_of_date, asset)
        where as_of_date = date '{p.as_of_date}'
        """,
        ("as_of_date", "asset", "current_quantity_base"),
        (Check("coins_oversold", "More coins are to be sold than are held.", REPORT_IT, maximum=0),),
        (_ASSETS, _TRADES),
    )
