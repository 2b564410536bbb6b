"""`rotation query`: the questions in `warehouse/queries/`, asked of the current release."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import Format, FormatOption, WarehouseOption, examples

if TYPE_CHECKING:
    from warehouse.named_queries import NamedQuery

EPILOG = examples(
    "rotation query",
    "rotation query funding_above_market",
    "rotation query distance_from_cut --param sector=L1",
    "rotation query hedge_in_past_falls --param fall=0.1 --param ratio=0.25 --format csv",
    "rotation query leaders --sql",
)


def query(
    name: Annotated[str | None, typer.Argument(help="Which question; without one they are listed.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter of the question; can be repeated."),
    ] = None,
    form: FormatOption = Format.TABLE,
    show_sql: Annotated[
        bool, typer.Option("--sql", help="Print the question's file instead, to change or copy.")
    ] = False,
    warehouse: WarehouseOption = None,
) -> None:
    """Ask the current release one of the prepared questions; without a name, list them.

    Only the release is read, so this works while a run is going on.
    """
    from warehouse.named_queries import find_query

    if name is None:
        if param or show_sql:
            raise typer.BadParameter("give the name of a question as well; `rotation query` lists them")
        _list(form)
        return
    named, given = find_query(name), _pairs(param or [])
    if show_sql:
        typer.echo(named.sql, nl=False)
        return
    _answer(named, given, form, warehouse)


def _pairs(texts: list[str]) -> dict[str, str]:
    """Parameter name to value as it was typed."""
    given: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"{text!r} is no parameter; write it as sector=DEFI", param_hint="--param")
        if key in given:
            raise typer.BadParameter(f"{key!r} is given twice", param_hint="--param")
        given[key] = value
    return given


def _list(form: Format) -> None:
    from pipelines.cli.formats import write_rows
    from warehouse.named_queries import list_queries

    rows = [
        (named.name, named.question, ", ".join(f"{p.name}={p.default}" for p in named.parameters.values()))
        for named in list_queries()
    ]
    write_rows(form, ("name", "question", "parameters and defaults"), ("VARCHAR",) * 3, rows)


def _answer(named: "NamedQuery", given: dict[str, str], form: Format, warehouse: WarehouseOption) -> None:
    from rich.text import Text

    from pipelines.cli import tables
    from pipelines.cli.formats import output_console, write_rows
    from pipelines.cli.show import DISCLAIMER, release_info, warn_of_source
    from pipelines.settings import load_settings
    from warehouse.connection import Warehouse
    from warehouse.named_queries import run_named

    with Warehouse(load_settings(warehouse_dir=warehouse).warehouse_dir).open_release() as con:
        info = release_info(con)
        answer = run_named(con, named, given)
        if form is not Format.TABLE:
            warn_of_source(info)
            write_rows(form, answer.columns, answer.types, answer.rows)
            return
        rows = list(answer.rows)
    console = output_console()
    console.print(Text(named.question, style="bold"))
    console.print(Text(f"release {info['release_id']}, as of {info['as_of_date']}; {tables.label(info['source'])}"))
    if rows:
        write_rows(form, answer.columns, answer.types, rows)
    else:
        console.print(Text(f"\nno rows: {named.when_empty or 'the release has nothing about that.'}\n"))
    console.print(Text(named.how_to_read, style="dim"))
    console.print(Text(DISCLAIMER, style="dim"))
