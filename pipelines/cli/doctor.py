"""Looks at everything a run depends on, says what it finds, and never fails itself."""

import asyncio
import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from pipelines.alert_settings import load_alert_settings
from pipelines.cli.condition import Bytes, data_ages
from pipelines.cli.formats import json_value, output_console, safe
from pipelines.cli.options import RunFormat
from pipelines.clock import from_milliseconds, last_decidable_day, utc_now
from pipelines.config_files import ConfigError
from pipelines.disk import disk_use
from pipelines.holdings.effective import load_effective
from pipelines.settings import (
    OLD_DAGSTER_HOME,
    PROJECT_ROOT,
    Settings,
    SettingsError,
    dagster_home,
    load_settings,
    variables,
)
from warehouse.connection import Warehouse
from warehouse.errors import NoRelease, WarehouseError

if TYPE_CHECKING:
    from pipelines.exchanges.probe import Probe

PACKAGES = (
    "rotation", "dagster", "dbt-core", "dbt-duckdb", "duckdb", "polars", "ccxt", "great-expectations",
)  # fmt: skip
REQUEST_TIMEOUT_S = 5.0
EXCHANGE_TIMEOUT_S = 12.0  # the request, the look-up of the address and the closing


@dataclass
class Findings:
    """What was found, in sections of names and values.

    Attributes:
        sections: Section to name to value, in the order of the looking.
        problems: What keeps a run from working, each with its remedy; wrong configuration.
        warnings: What a person should know.
        no_exchange: True when the source is live and no exchange answered.
    """

    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    no_exchange: bool = False

    @property
    def exit_code(self) -> int:
        """0: usable. 2: something is configured wrongly. 4: all is right, but no exchange answers."""
        return 2 if self.problems else 4 if self.no_exchange else 0

    def note(self, section: str, **values: Any) -> None:
        self.sections.setdefault(section, {}).update(values)


def examine(warehouse_dir: Path | None, probe_exchanges: bool = False) -> Findings:
    """Look at versions, paths, settings, policy, release, age of the data, disk, write lock and exchanges.

    Args:
        warehouse_dir: The warehouse to look at; None for the one in the settings.
        probe_exchanges: Ask every exchange for a little of every kind of data, whatever the source is.
    """
    found = Findings()
    _guarded(found, "versions", lambda: _versions(found))
    try:
        settings = load_settings(warehouse_dir=warehouse_dir)
    except SettingsError as error:
        found.problems.append(f"settings: {error}. The rest was not looked at: it depends on the settings")
        return found
    warehouse = Warehouse(settings.warehouse_dir)
    _guarded(found, "paths", lambda: _paths(found, settings.warehouse_dir))
    _guarded(found, "settings", lambda: _settings(found, settings))
    _guarded(found, "policy", lambda: _policy(found, settings))
    _guarded(found, "release", lambda: _release(found, warehouse))
    _guarded(found, "data age", lambda: _data_age(found, settings, warehouse))
    _guarded(found, "disk", lambda: _disk(found, settings.warehouse_dir))
    _guarded(found, "alerts", lambda: _alerts(found, warehouse))
    _guarded(found, "writer", lambda: _writer(found, warehouse))
    _guarded(found, "exchanges", lambda: (_probes if probe_exchanges else _exchanges)(found, settings))
    return found


def write_findings(found: Findings, form: RunFormat) -> None:
    """Write what was found to standard output."""
    if form is RunFormat.JSON:
        outcome = {"usable": found.exit_code == 0, "problems": found.problems, "warnings": found.warnings}
        print(json.dumps(json_value(outcome | found.sections), ensure_ascii=False, indent=1))
        return
    console = output_console()
    for section, values in found.sections.items():
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(width=24, overflow="fold")
        table.add_column(overflow="fold")
        for name, value in values.items():
            if not _is_rows(value):
                table.add_row(f"  {name}", Text(_text(value)))
        console.print(Text(section, style="bold"), table)
        for value in filter(_is_rows, values.values()):
            console.print(_rows_table(value))
    for word, texts, style in (
        ("warning", found.warnings, "yellow"),
        ("PROBLEM", found.problems, "bold red"),
    ):
        for text in texts:
            console.print(Text(f"{word}: {safe(text)}", style=style))
    console.print(Text("usable" if found.exit_code == 0 else "not usable", style="bold"))


def _guarded(found: Findings, section: str, look: Callable[[], None]) -> None:
    """A look that may meet anything: a broken file or a package that does not load is a finding."""
    try:
        look()
    except Exception as error:
        found.problems.append(f"{section}: {type(error).__name__}: {error}")


def _versions(found: Findings) -> None:
    found.note("versions", python=platform.python_version())
    for package in PACKAGES:
        try:
            found.note("versions", **{package: version(package)})
        except PackageNotFoundError:
            found.note("versions", **{package: None})
            found.problems.append(f"{package} is not installed; run `make install`")


def _paths(found: Findings, directory: Path) -> None:
    home = dagster_home(directory)
    found.note("paths", project=PROJECT_ROOT, warehouse=directory, dagster_home=home)
    if home == OLD_DAGSTER_HOME and "DAGSTER_HOME" not in variables("DAGSTER"):
        found.warnings.append(
            f"Dagster's runs and switches still lie in {home}, which works. To have the warehouse in one folder, end "
            f"`rotation ui` and move them: mv {home} {directory / 'dagster'}"
        )
    existing = _nearest_existing(directory)
    if not existing.is_dir():
        found.problems.append(f"{existing} is a file; set WAREHOUSE_DIR to a directory")
    elif not os.access(existing, os.W_OK):
        found.problems.append(f"{existing} cannot be written by this user; set WAREHOUSE_DIR to another directory")
    elif not directory.exists():
        found.warnings.append(f"{directory} does not exist yet; the first run creates it")


def _settings(found: Findings, settings: Settings) -> None:
    values = settings.model_dump(mode="json", exclude={"warehouse_dir", "policy"})
    found.note("settings", **values)
    if settings.data is not None and not settings.data.is_dir():
        found.problems.append(f"data: {settings.data} is no folder; give --data DIR or ROTATION_DATA")


def _policy(found: Findings, settings: Settings) -> None:
    path = settings.policy_path
    found.note("policy", file=path or "none: the defaults")
    if settings.portfolio_path is not None:
        found.note("policy", portfolio=settings.portfolio_path)
    try:
        found.note("policy", policy_hash=load_effective(settings).policy.canonical_hash())
    except ConfigError as error:
        found.problems.append(f"policy: {error}")


def _release(found: Findings, warehouse: Warehouse) -> None:
    from pipelines.cli.show import release_info
    from warehouse.release import current_release

    try:
        path = warehouse.resolve_release()
        with warehouse.open_release() as con:
            info = release_info(con)
        logged = current_release(warehouse)
    except NoRelease as error:
        found.note("release", release_id=None)
        found.warnings.append(str(error))
        return
    except WarehouseError as error:
        found.note("release", release_id=None)
        found.problems.append(f"release: {error}")
        return
    now = utc_now()
    age_hours = round((now - info["published_at"]).total_seconds() / 3600, 1)
    found.note("release", **info, file=path, age_hours=age_hours, rows=logged.row_counts if logged else None)
    newest = last_decidable_day(now)
    if info["as_of_date"] < newest:
        found.warnings.append(
            f"the release is as of {info['as_of_date']}, but {newest} can be decided; run `rotation run`"
        )


def _data_age(found: Findings, settings: Settings, warehouse: Warehouse) -> None:
    """Per exchange and kind, from the release, so that it can be asked while a run is writing."""
    from pipelines.cli.show import release_info

    try:
        with warehouse.open_release() as con:
            info = release_info(con)
            limit_hours = load_effective(settings).policy.health.fresh_hours
            at, rows = data_ages(con, info["source"], info["as_of_date"], limit_hours, utc_now())
    except NoRelease:
        found.note("data_age", rows="nothing has been published yet, so there are no data to be too old")
        return
    except (ConfigError, WarehouseError):
        return  # said already
    if rows is None:
        found.note("data_age", rows="not known: the release holds no raw facts (ROTATION_PUBLISH__INCLUDE_RAW)")
        return
    found.note("data_age", measured_at=at, rows=rows)
    stale = dict.fromkeys(row["exchange"] for row in rows if row["verdict"] != "fresh")
    if stale:
        found.warnings.append(
            f"data older than {limit_hours:g} hours: {', '.join(stale)}. Is a run missing (`rotation run`), or an "
            "exchange silent (raw.load_batches.error)? The decision leaves an exchange with old data out"
        )


def _disk(found: Findings, directory: Path) -> None:
    sizes = disk_use(directory, dagster_home(directory))
    existing = _nearest_existing(directory)
    sizes["free"] = shutil.disk_usage(existing).free
    found.note("disk", **{name: Bytes(size) for name, size in sizes.items()})


def _nearest_existing(directory: Path) -> Path:
    """The directory, or the nearest one above it that is there."""
    return next(path for path in (directory, *directory.absolute().parents) if path.exists())


def _alerts(found: Findings, warehouse: Warehouse) -> None:
    """Where alerts go and whether they arrive; without any address or token."""
    from pipelines.alerts.told import Told

    try:
        settings = load_alert_settings()
    except SettingsError as error:
        found.problems.append(f"alerts: {error}. No alert is sent until then")
        return
    found.note("alerts", channels=settings.channel_names or "none is configured: nobody is told of anything")
    found.warnings += [f"alerts: {gap}" for gap in settings.gaps]
    for name, state in Told(warehouse.directory).channels().items():
        last = f", last at {state.last_told_at[:19]} UTC" if state.last_told_at else ""
        lost = f", {state.refused} refused or given up" if state.refused else ""
        found.note("alerts", **{name: f"{state.told} told{last}, {state.waiting} waiting{lost}"})
        if state.problem and name in settings.channel_names:
            found.warnings.append(f"alerts: {name} did not take the last message: {state.problem}")


def _writer(found: Findings, warehouse: Warehouse) -> None:
    holder = warehouse.lock_holder()
    found.note("writer", write_lock=asdict(holder) if holder else "nobody is writing")


def _exchanges(found: Findings, settings: Settings) -> None:
    if settings.source != "live":
        text = f"not asked: with the source `{settings.source}` the local exchange starts with a run"
        found.note("exchanges", **dict.fromkeys(settings.exchanges, text))
        return
    answers = asyncio.run(_ask_all(settings.exchanges))
    found.note("exchanges", **{name: answer or "no answer" for name, (answer, _) in answers.items()})
    found.warnings += [problem for _, problem in answers.values() if problem]
    found.no_exchange = all(problem for _, problem in answers.values())


def _probes(found: Findings, settings: Settings) -> None:
    """One tiny call per exchange and kind, against what the exchange is known to offer."""
    answers = asyncio.run(_probe_all(settings))
    for name, probes in answers.items():
        found.note(name, **{probe.kind: f"{probe.outcome}: {probe.detail}" for probe in probes})
        found.warnings += [
            f"{name}, {probe.kind}: {probe.detail}" for probe in probes if probe.outcome in ("differs", "failed")
        ]
    found.no_exchange = all(
        all(probe.outcome not in ("as expected", "differs") for probe in probes) for probes in answers.values()
    )


async def _probe_all(settings: Settings) -> dict[str, list["Probe"]]:
    from pipelines.exchanges.probe import probe
    from pipelines.exchanges.registry import open_adapter
    from pipelines.exchanges.retries import RetryPolicy

    async def one(exchange: str) -> list["Probe"]:
        async with open_adapter(
            exchange, base_url=settings.exchange_url, rate_limit=settings.exchange_url is None,
            timeout_s=settings.ingest.timeout_seconds, retry=RetryPolicy(attempts=2, total_wait_s=5),
        ) as adapter:  # fmt: skip
            return await probe(adapter, utc_now())

    found = await asyncio.gather(*(one(name) for name in settings.exchanges))
    return dict(zip(settings.exchanges, found, strict=True))


async def _ask_all(exchanges: tuple[str, ...]) -> dict[str, tuple[str | None, str | None]]:
    """By exchange: its answer in words, or None and what is wrong."""
    answers = await asyncio.gather(*(_ask(name) for name in exchanges))
    return dict(zip(exchanges, answers, strict=True))


async def _ask(exchange: str) -> tuple[str | None, str | None]:
    """The exchange's clock, the lightest public request there is."""
    from pipelines.exchanges.client import open_client
    from pipelines.exchanges.errors import classify

    async def its_time() -> int:
        async with open_client(exchange, timeout_s=REQUEST_TIMEOUT_S) as client:
            return await client.fetch_time()

    try:
        told_ms = await asyncio.wait_for(its_time(), EXCHANGE_TIMEOUT_S)
    except Exception as error:
        return None, str(classify(error, exchange, "server time"))
    return f"answers; its clock says {from_milliseconds(told_ms):%Y-%m-%d %H:%M:%S} UTC", None


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _rows_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(f"  {name}" if name == next(iter(rows[0])) else name)
    for first, *rest in (map(_text, row.values()) for row in rows):
        table.add_row(Text(f"  {first}"), *map(Text, rest))
    return table


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_text(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return "none" if value is None else safe(str(value))
