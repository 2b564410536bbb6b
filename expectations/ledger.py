"""The gate of the books: does every entry have its counterpart, and do the balances say what the plan says?

Only the days from the first one that this run decided are judged, each against the day before it: earlier days were
judged when they were made, so the cost grows with new data and not with history.
"""

from expectations.model import REPORT_IT, Check, Parameters, Question, timestamp_sql

_LEDGER, _NAV, _DECISIONS = "portfolio.ledger", "portfolio.nav_daily", "portfolio.decisions"
_PARTS = ("spot_usd", "spot_cash_usd", "tilt_cash_usd", "futures_equity_usd")
_IS_PROFIT = "starts_with(account, 'pnl:')"
_ROLES = ("spot", "hedge", "liquidity", "tactical")
# Column of nav_daily to the account's last part and the sign with which its entries add to the column.
_MEASURES = {
    "realised_pnl_usd": ("realised", -1),
    "unrealised_pnl_usd": ("unrealised", -1),
    "funding_usd": ("funding", -1),
    "fees_usd": ("fee", 1),
    "slippage_usd": ("slippage", 1),
}


def ledger_questions(p: Parameters) -> list[Question]:
    """Questions about the books of the days that this run decided."""
    return [_transactions(p), _entries(p), _daily_change(p), _balances(p), _decided_value(p)]


def _cents(amount_usd: str) -> str:
    return f"cast(round({amount_usd} * 100) as bigint)"


def _booked(condition: str) -> str:
    return f"coalesce(sum({_cents('amount_usd')}) filter (where {condition}), 0)"


def _earned(part: int, name: str) -> str:
    # An account is `pnl:role:measure`. A colon before a letter would be read as the name of a parameter.
    return _booked(f"{_IS_PROFIT} and split_part(account, ':', {part}) = '{name}'")


def _first_day(p: Parameters) -> str:
    return (
        f"(select min(as_of_date) from {_DECISIONS} "
        f"where decided_at >= {timestamp_sql(p.since)} or as_of_date = date '{p.as_of_date}')"
    )


def _transactions(p: Parameters) -> Question:
    return Question(
        _LEDGER,
        f"""
        select
            as_of_date, transaction_id,
            -- an unknown amount is no cent: it must not vanish from the sum
            sum({_cents("amount_usd")}) + count(*) - count(amount_usd) as cents_off_zero
        from {_LEDGER} where as_of_date >= {_first_day(p)}
        group by as_of_date, transaction_id
        """,
        ("as_of_date", "transaction_id"),
        (
            Check(
                "cents_off_zero",
                "The entries of a transaction do not sum to 0: money appeared or vanished.",
                REPORT_IT,
                minimum=0,
                maximum=0,
            ),
        ),
        (_LEDGER, _DECISIONS),
    )


def _entries(p: Parameters) -> Question:
    return Question(
        _LEDGER,
        f"""
        select
            as_of_date, entry_id, account, kind,
            cast(
                case when decision_id is null then coalesce(kind = 'transfer' and reason = 'OPENING', false)
                else decision_id in (select decision_id from {_DECISIONS}) end
            as integer) as entry_names_decision,
            cast(transaction_id is not null and booked_at is not null and book is not null and account is not null
                and amount_usd is not null and kind is not null as integer) as entry_is_complete
        from {_LEDGER} where as_of_date >= {_first_day(p)}
        """,
        ("as_of_date", "entry_id", "account", "kind"),
        (
            Check(
                "entry_names_decision",
                "An entry was caused by no decision that there is, and it is not the opening.",
                REPORT_IT,
            ),
            Check(
                "entry_is_complete",
                "An entry lacks its transaction, time, book, account, amount or kind.",
                REPORT_IT,
            ),
        ),
        (_LEDGER, _DECISIONS),
    )


def _daily_change(p: Parameters) -> Question:
    """A day's change of every figure is what the ledger booked that day."""
    profits = ", ".join(f"{sign} * {_earned(3, name)} as {column}" for column, (name, sign) in _MEASURES.items())
    roles = ", ".join(f"-{_earned(2, role)} as {role}_pnl_usd" for role in _ROLES)
    owned = _booked(f"not {_IS_PROFIT} and not starts_with(account, 'equity:')")
    first = _first_day(p)
    columns = ["nav_usd", *_MEASURES, *(f"{role}_pnl_usd" for role in _ROLES)]
    values = ", ".join(f"{_cents(column)} as {column}" for column in columns)
    changes = ", ".join(f"{c} - lag({c}, 1, 0) over (order by as_of_date) as {c}" for c in columns)
    off_profit = " + ".join(f"coalesce(abs(stated.{c} - coalesce(booked.{c}, 0)), 1)" for c in columns[1:])
    return Question(
        _NAV,
        f"""
        select
            as_of_date,
            coalesce(abs(stated.nav_usd - coalesce(booked.nav_usd, 0)), 1) as cents_off_ledger,
            {off_profit} as profit_cents_off_ledger
        from (
            select as_of_date, {changes} from (
                select as_of_date, {values} from {_NAV}
                where as_of_date >= coalesce(
                    (select max(as_of_date) from {_NAV} where as_of_date < {first}), {first}
                )
            )
        ) as stated
        full join (
            select as_of_date, {owned} as nav_usd, {profits}, {roles}
            from {_LEDGER} where as_of_date >= {first}
            group by as_of_date
        ) as booked using (as_of_date)
        where as_of_date >= {first}
        """,
        ("as_of_date",),
        (
            Check(
                "cents_off_ledger",
                "The portfolio's value did not change by what the ledger booked that day, or one of the two is "
                "missing.",
                REPORT_IT,
                minimum=0,
                maximum=0,
                must_evaluate=True,
            ),
            Check(
                "profit_cents_off_ledger",
                "A figure of profit or cost did not change by what the ledger booked that day.",
                REPORT_IT,
                minimum=0,
                maximum=0,
            ),
        ),
        (_NAV, _LEDGER, _DECISIONS),
    )


def _balances(p: Parameters) -> Question:
    parts = " + ".join(_cents(part) for part in _PARTS)
    earned = " + ".join(f"{_cents(c)}" if c not in ("fees_usd", "slippage_usd") else f"-{_cents(c)}" for c in _MEASURES)
    roles = " + ".join(_cents(f"{role}_pnl_usd") for role in _ROLES)
    return Question(
        _NAV,
        f"""
        select
            as_of_date,
            coalesce(abs({_cents("nav_usd")} - ({parts})), 1)
                + coalesce(abs({earned} - ({roles})), 1) as cents_off_parts,
            least({", ".join(_PARTS)}) as lowest_balance_usd
        from {_NAV} where as_of_date >= {_first_day(p)}
        """,
        ("as_of_date",),
        (
            Check(
                "cents_off_parts",
                "The portfolio's value is not the sum of its parts, or the profit not that of the roles.",
                REPORT_IT,
                minimum=0,
                maximum=0,
            ),
            Check("lowest_balance_usd", "Cash, holdings or the futures sleeve are below 0.", REPORT_IT, minimum=0),
        ),
        (_NAV, _DECISIONS),
    )


def _decided_value(p: Parameters) -> Question:
    return Question(
        _DECISIONS,
        f"""
        select
            as_of_date, portfolio_value_usd, nav_usd,
            coalesce(abs({_cents("portfolio_value_usd")} - {_cents("nav_usd")}), 1) as value_cents_off_ledger
        from {_DECISIONS} left join {_NAV} using (as_of_date, decision_id)
        where as_of_date >= {_first_day(p)}
        """,
        ("as_of_date", "portfolio_value_usd", "nav_usd"),
        (
            Check(
                "value_cents_off_ledger",
                "A decision was made for another value than the ledger's of that day, or the ledger has none.",
                REPORT_IT,
                minimum=0,
                maximum=0,
                must_evaluate=True,
            ),
        ),
        (_DECISIONS, _NAV),
    )
