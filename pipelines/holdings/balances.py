"""From what an exchange says an account holds to a statement of holdings."""

from collections.abc import Mapping
from fractions import Fraction

from pipelines.holdings.amounts import decimal_text, parse_amount
from pipelines.holdings.portfolio import PortfolioError
from pipelines.holdings.sectors import CASH_ASSETS, Taxonomy
from pipelines.holdings.statement import Statement
from pipelines.money import ZERO, exact

DUST_USD = Fraction(1)


def from_balances(
    exchange: str, balances: Mapping[str, str], taxonomy: Taxonomy, prices: Mapping[str, float]
) -> Statement:
    """What of an account's balances the portfolio takes in, and what is left out and why.

    Args:
        exchange: Whose account.
        balances: Coin as the exchange calls it to exact text.
        taxonomy: The coins that have a sector.
        prices: Coin to its last known price in USD; holdings of less than 1 USD are left out. A coin without a price
            is never dust.

    Raises:
        PortfolioError: a balance is a debt or no amount, or there is none at all.
    """
    if not balances:
        raise PortfolioError(
            f"{exchange} reports no balance at all, so nothing was changed; if the account is empty, take its holdings "
            "out of the file by hand"
        )
    quantities: dict[tuple[str, str], Fraction] = {}
    left_out, notes = [], []
    for name, text in sorted(balances.items()):
        if text.startswith("-"):
            raise PortfolioError(
                f"{exchange} reports {text} {name}: a loan, which a portfolio cannot hold; pay it back, or write the "
                "file by hand"
            )
        try:
            quantity = parse_amount(text)
        except ValueError as error:
            raise PortfolioError(f"{exchange}, balance of {name}: {error}") from None
        counted = taxonomy.counted(name, quantity)
        if counted is None:
            left_out.append(f"{decimal_text(quantity)} {name}: no sector has it")
            continue
        asset, coins = counted
        if asset != name:
            notes.append(f"{decimal_text(quantity)} {name}: counted as {decimal_text(coins)} {asset}")
        key = (exchange, asset)
        quantities[key] = quantities.get(key, ZERO) + coins
    for (_, asset), quantity in list(quantities.items()):
        price = Fraction(1) if asset in CASH_ASSETS else exact(prices[asset]) if asset in prices else None
        if price is not None and quantity * price < DUST_USD:
            left_out.append(f"{decimal_text(quantity)} {asset}: dust, worth less than {DUST_USD} USD")
            del quantities[exchange, asset]
    return Statement(quantities, tuple(left_out), tuple(notes))
