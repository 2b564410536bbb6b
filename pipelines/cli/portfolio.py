"""`rotation portfolio`: what the user holds, and where that is from."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import RunFormat, RunFormatOption, examples

if TYPE_CHECKING:
    from pipelines.holdings.edit import Edit
    from pipelines.holdings.statement import Statement

portfolio_app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="The portfolio: what you hold, on which exchange, and how you want it divided.",
)  # fmt: skip

_TEMPLATE = """\
# What you hold and want; every key is in docs/portfolio.md. `rotation portfolio check` says whether it can be used.
version: 1
preset: {preset}  # {words}
{split}# Worth of both sleeves, all in cash. `rotation portfolio import` puts your holdings in its place.
value_usd: {value}
"""
_WORDS = {
    "conservative": "80% spot, 20% futures collateral",
    "balanced": "60% spot, 40% futures collateral",
    "custom": "the split below",
}
_SPLIT = 'split: {spot: "7/10", futures: "3/10"}\n'


class Preset(StrEnum):
    """How the portfolio is divided into the spot and the futures sleeve."""

    CONSERVATIVE = "conservative"
    BALANCED = "balanced"
    CUSTOM = "custom"


ToOption = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="Portfolio file; default ROTATION_PORTFOLIO, else portfolio.yml."),
]
FileArgument = Annotated[Path | None, typer.Argument(help="Portfolio file; default the one that a run would take.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


@portfolio_app.command("init", epilog=examples("rotation portfolio init", "rotation portfolio init --preset balanced"))
def init(
    preset: Annotated[Preset, typer.Option(help="How it is divided.")] = Preset.CONSERVATIVE,
    to: ToOption = None,
) -> None:
    """Write a portfolio file to begin with; one that exists is left alone."""
    from pipelines.holdings.edit import write
    from pipelines.holdings.portfolio import PortfolioError
    from pipelines.settings import load_settings

    path = _target(to)
    if path.exists():
        raise PortfolioError(f"{path}: exists already; edit it, or name another file with --to")
    split = _SPLIT if preset is Preset.CUSTOM else ""
    value = f"{load_settings().portfolio_value_usd:.2f}".removesuffix(".00")
    write(path, _TEMPLATE.format(preset=preset.value, words=_WORDS[preset.value], split=split, value=value))
    typer.echo(f"{path}: written, preset {preset.value}, {value} USD in cash")


@portfolio_app.command("show", epilog=examples("rotation portfolio show", "rotation portfolio show --format json"))
def show(file: FileArgument = None, form: RunFormatOption = RunFormat.TABLE) -> None:
    """Show what the pipeline understands of the portfolio file, with what it changes in the policy."""
    from pipelines.cli.portfolio_tables import as_json, write_tables
    from pipelines.holdings.effective import load_effective
    from pipelines.settings import load_settings

    settings = load_settings(portfolio=file)
    effective = load_effective(settings)
    if form is RunFormat.JSON:
        import json

        typer.echo(json.dumps(as_json(settings.portfolio_path, effective), indent=1, ensure_ascii=False))
    else:
        write_tables(settings.portfolio_path, effective)


@portfolio_app.command("check", epilog=examples("rotation portfolio check", "rotation portfolio check portfolio.yml"))
def check(file: FileArgument = None) -> None:
    """Say whether a portfolio file can be used, with its digest and the hash of the policy that it gives."""
    from pipelines.holdings.effective import load_effective
    from pipelines.holdings.portfolio import digest
    from pipelines.settings import load_settings

    settings = load_settings(portfolio=file)
    effective = load_effective(settings)
    where = settings.portfolio_path or "no portfolio file, a paper book"
    hashes = f"portfolio_hash {digest(effective.portfolio)}, policy_hash {effective.policy.canonical_hash()}"
    typer.echo(f"{where}: can be used, {hashes}")


@portfolio_app.command(
    "import",
    epilog=examples(
        "rotation portfolio import holdings.csv --dry-run", "rotation portfolio import holdings.csv --to portfolio.yml"
    ),
)
def import_csv(
    file: Annotated[Path, typer.Argument(help="CSV file with the columns exchange, asset and quantity.")],
    to: ToOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Take the holdings of a CSV file into the portfolio file, in place of those that stand there.

    Everything else in the portfolio file stays as it is, comments included.
    """
    from pipelines.holdings.statement import read_statement

    statement = read_statement(file, _taxonomy())
    _put(_target(to), statement, None, dry_run)


@portfolio_app.command(
    "balances",
    epilog=examples(
        "rotation portfolio balances --exchange binance --dry-run", "rotation portfolio balances --exchange bybit"
    ),
)
def balances(
    exchange: Annotated[str, typer.Option(help="Whose account.")],
    to: ToOption = None,
    dry_run: DryRunOption = False,
    accept_unknown: Annotated[
        bool,
        typer.Option("--accept-unknown-permissions", help="Go on when the exchange does not tell what the key may do."),
    ] = False,
) -> None:
    """Take the spot balances of an exchange account into the portfolio file, in place of its holdings there.

    Needs a read-only key in ROTATION_KEY_<EXCHANGE> and ROTATION_SECRET_<EXCHANGE> (and ROTATION_PASSPHRASE_<EXCHANGE>
    for OKX, Bitget and WEEX). A key that can trade or withdraw is refused. Keys are never stored or printed.
    """
    import asyncio

    from pipelines.exchanges.accounts import read_account
    from pipelines.holdings.balances import from_balances
    from pipelines.settings import SUPPORTED_EXCHANGES, exchange_credentials, load_settings

    name = exchange.casefold()
    if name not in SUPPORTED_EXCHANGES:
        raise typer.BadParameter(f"--exchange {exchange}: choose from {', '.join(SUPPORTED_EXCHANGES)}")
    settings = load_settings()
    account = asyncio.run(
        read_account(
            name, exchange_credentials(name), base_url=settings.exchange_url,
            timeout_s=settings.ingest.timeout_seconds, accept_unknown_permissions=accept_unknown,
        )
    )  # fmt: skip
    if account.may_trade is None:
        typer.echo(f"{name} does not tell what this key may do; make sure that it may only read", err=True)
    statement = from_balances(name, account.balances, _taxonomy(), _last_prices())
    _put(_target(to), statement, name, dry_run)


def _put(path: Path, statement: "Statement", exchange: str | None, dry_run: bool) -> None:
    """Put a statement into the file, or say what would become of it."""
    from pipelines.clock import utc_now
    from pipelines.holdings.edit import put_holdings, write

    edit = put_holdings(path, statement, utc_now().date(), _taxonomy(), exchange)
    _say(path, statement, edit, exchange, dry_run)
    if not dry_run and edit.changes:
        write(path, edit.text)


def _say(path: Path, statement: "Statement", edit: "Edit", exchange: str | None, dry_run: bool) -> None:
    from pipelines.cli.formats import safe

    lines: list[str] = []
    for title, sentences in (("notes", statement.notes), ("left out", statement.left_out), ("changes", edit.changes)):
        lines += [f"{title}:", *(f"  {safe(sentence)}" for sentence in sentences)] if sentences else []
    cash = edit.portfolio.cash_usd
    if exchange is not None and cash:
        lines.append(f"cash_usd stays at {float(cash):,.2f}: if that was cash on {exchange}, set it to 0")
    if edit.portfolio.futures is None:
        lines.append("futures: not stated, so the futures sleeve is empty; give its collateral_usd in the file")
    held = len(statement.quantities)
    done = "nothing changed" if not edit.changes else "would be changed (--dry-run)" if dry_run else "changed"
    for line in (*lines, f"{path}: {held} holdings read, {done}"):
        typer.echo(line)


def _target(to: Path | None) -> Path:
    from pipelines.settings import DEFAULT_PORTFOLIO, load_settings

    return to or load_settings().portfolio or DEFAULT_PORTFOLIO


def _taxonomy() -> Any:
    from pipelines.clock import utc_now
    from pipelines.holdings.sectors import read_taxonomy

    return read_taxonomy(utc_now().date())


def _last_prices() -> dict[str, float]:
    """Coin to its last spot close in the current release, where that is from live data."""
    from pipelines.cli.show import release_info
    from pipelines.settings import load_settings
    from warehouse.connection import Warehouse
    from warehouse.errors import WarehouseError
    from warehouse.query import query

    last = (
        "select asset, arg_max(spot_close_usd, date) as price from marts.asset_futures_daily "
        "where spot_close_usd is not null group by all"
    )
    try:
        with Warehouse(load_settings().warehouse_dir).open_release() as con:
            if release_info(con)["source"] != "live":
                return {}
            return {row["asset"]: row["price"] for row in query(con, last).dicts()}
    except WarehouseError:
        return {}
