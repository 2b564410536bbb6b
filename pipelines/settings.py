"""The only reader of environment variables: where things lie and how a run fetches; never what it decides.

What a run decides stands in `policy.yml` and `portfolio.yml`; the settings below change no number of a decision but
its input. Every field can be set as `ROTATION_<FIELD>`; nested ones as `ROTATION_INGEST__RATE_LIMIT`. Keys of an
exchange account (`ROTATION_KEY_<EXCHANGE>`, `ROTATION_SECRET_<EXCHANGE>`, `ROTATION_PASSPHRASE_<EXCHANGE>`, so for
Binance `ROTATION_KEY_BINANCE` and `ROTATION_SECRET_BINANCE`) are no settings: only the command that reads balances asks
for them, by `exchange_credentials`. Nor are the addresses and tokens that alerts are sent with
(`ROTATION_ALERTS__<NAME>`): they stand in `pipelines/alert_settings.py`.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DBT_DIRECTORY = PROJECT_ROOT / "dbt"
INSTANCE_CONFIG = PROJECT_ROOT / "dagster.yaml"
OLD_DAGSTER_HOME = PROJECT_ROOT / ".dagster"
_OURS = "# Dagster's home of this project"
SEEDS_DIRECTORY = DBT_DIRECTORY / "seeds"
DEFAULT_PORTFOLIO = PROJECT_ROOT / "portfolio.yml"
SUPPORTED_EXCHANGES = ("binance", "bybit", "bingx", "weex", "mexc", "bitget", "okx")
DEFAULT_EXCHANGES = ("binance", "bybit", "bingx", "weex", "mexc")


def split_commas(value: object) -> object:
    """Text with commas between its parts as a tuple; anything else as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in SUPPORTED_EXCHANGES]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: choose from {', '.join(SUPPORTED_EXCHANGES)}")
    return tuple(dict.fromkeys(names))


ExchangeNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas), AfterValidator(_known)]
"""Names of supported exchanges, as text with commas between."""


ALERT_PREFIX = "ROTATION_ALERTS__"


class SettingsError(ValueError):
    """A setting is wrong. The message names it and says what to write instead."""


class IngestSettings(BaseModel):
    """How facts are fetched.

    Attributes:
        timeframe: Candle length that is stored.
        mark_and_index: Exchanges whose mark and index candles are read: two more requests per contract and night. The
            perpetual basis of the others is that of their last price to spot.
        backfill_days: How many days before the first decided day an empty warehouse is filled with.
        rate_limit: `on`, `off`, or `auto`: on for live exchanges, off for the local one, which has no limit.
        timeout_seconds: One request.
        retry_seconds: The longest that one request is retried before it counts as failed.
    """

    model_config = {"extra": "forbid"}

    timeframe: Literal["1d", "8h", "4h", "1h"] = "1d"
    mark_and_index: ExchangeNames = ("binance",)
    backfill_days: int = Field(200, ge=1, le=1825)
    rate_limit: Literal["auto", "on", "off"] = "auto"
    timeout_seconds: float = Field(20.0, gt=0)
    retry_seconds: float = Field(60.0, ge=0)


class RetentionSettings(BaseModel):
    """What of a warehouse's history is cleared away at the end of a successful night.

    Attributes:
        history_days: Dagster's runs with their events, and the logs of runs, are kept for this long; 0: for ever.
    """

    model_config = {"extra": "forbid"}

    history_days: int = Field(90, ge=0)


class PublishSettings(BaseModel):
    """What a release holds.

    Attributes:
        include_raw: Days of raw facts copied into the release, or `all`; 0 leaves raw out.
        keep_releases: How many releases stay for a rollback.
        report: Write the night's page beside the release.
        accept_fewer_rows: Publish even when a mart has lost rows since the last release, because it was meant.
    """

    model_config = {"extra": "forbid"}

    include_raw: int | Literal["all"] = 7
    keep_releases: int = Field(7, ge=1)
    report: bool = True
    accept_fewer_rows: bool = False


class Settings(BaseSettings):
    """One run's surroundings, from the environment (see the module's text for the names).

    Attributes:
        warehouse_dir: Where the build file and the releases lie (also `WAREHOUSE_DIR`).
        policy: The policy file; None: `policy.yml` in the project's root if it is there, else the defaults.
        portfolio: The portfolio file; None: `portfolio.yml` in the project's root if it is there, else a paper book.
        source: What the facts are made from: a simulated market, the scripted market of a worked example, recorded
            files, or the exchanges themselves.
        data: Folder of recorded files, with the source `recorded`; of the scripted ones, with `example`.
        seed: Of the simulated market.
        exchange_url: Where requests go instead: a local exchange that is running already. None: to the exchanges
            when live, else to a local exchange that the run starts and stops by itself.
        exchanges: Which exchanges are read.
        portfolio_value_usd: Worth of both sleeves at the first decision, where no portfolio file says what is held.
        lock_wait_seconds: How long a run waits for its turn while somebody else writes the warehouse; 0: not at all.
        ingest: How facts are fetched.
        publish: What a release holds.
        retention: What is cleared away.
    """

    model_config = SettingsConfigDict(
        env_prefix="ROTATION_", env_nested_delimiter="__", extra="forbid", populate_by_name=True
    )

    warehouse_dir: Path = Field(
        PROJECT_ROOT / "warehouse" / "data",
        validation_alias=AliasChoices("WAREHOUSE_DIR", "ROTATION_WAREHOUSE_DIR", "warehouse_dir"),
    )
    policy: Path | None = None
    portfolio: Path | None = None
    source: Literal["simulated", "example", "recorded", "live"] = "simulated"
    data: Path | None = None
    seed: int = Field(7, ge=0)
    exchange_url: str | None = None
    exchanges: ExchangeNames = DEFAULT_EXCHANGES
    portfolio_value_usd: float = Field(100_000.0, gt=0)
    lock_wait_seconds: float = Field(1800.0, ge=0)
    ingest: IngestSettings = IngestSettings()
    publish: PublishSettings = PublishSettings()
    retention: RetentionSettings = RetentionSettings()

    @field_validator("exchanges")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError(f"nothing: choose from {', '.join(SUPPORTED_EXCHANGES)}")
        return value

    @cached_property
    def rate_limit(self) -> bool:
        """Whether ccxt's own rate limiter is on."""
        return self.source == "live" if self.ingest.rate_limit == "auto" else self.ingest.rate_limit == "on"

    @property
    def policy_path(self) -> Path | None:
        """The policy file: the one named, else `policy.yml` in the project's root, else None for the defaults."""
        default = PROJECT_ROOT / "policy.yml"
        return self.policy or (default if default.exists() else None)

    @property
    def portfolio_path(self) -> Path | None:
        """The portfolio file: the one named, else `portfolio.yml` in the project's root, else None."""
        return self.portfolio or (DEFAULT_PORTFOLIO if DEFAULT_PORTFOLIO.exists() else None)


@dataclass(frozen=True)
class Credentials:
    """Keys of an account, which print as stars.

    Attributes:
        passphrase: None where none is set; OKX, Bitget and WEEX need one.
    """

    key: SecretStr
    secret: SecretStr
    passphrase: SecretStr | None


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment with a caller's values on top (None means "not given").

    Raises:
        SettingsError: A value is wrong or a `ROTATION_` variable is unknown; the message names it.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(problem) for problem in error.errors())) from None
    _refuse_unknown_variables()
    if settings.source in ("recorded", "example") and settings.data is None:
        raise SettingsError(
            f"source `{settings.source}` needs a folder of parquet files: give --data DIR or ROTATION_DATA"
        )
    return settings


def exchange_credentials(exchange: str) -> Credentials:
    """The keys of an exchange account, from the environment and from nowhere else.

    Raises:
        SettingsError: one is missing; names the variable.
    """

    def read(kind: str) -> SecretStr | None:
        text = os.environ.get(f"ROTATION_{kind}_{exchange.upper()}", "").strip()
        return SecretStr(text) if text else None

    key, secret = read("KEY"), read("SECRET")
    if key is None or secret is None:
        missing = "KEY" if key is None else "SECRET"
        raise SettingsError(
            f"ROTATION_{missing}_{exchange.upper()} is not set: reading balances needs the key and the secret of a "
            "read-only key; export both"
        )
    return Credentials(key, secret, read("PASSPHRASE"))


def dagster_home(warehouse_dir: Path) -> Path:
    """Where Dagster keeps its runs and switches: `DAGSTER_HOME`, else `dagster` in the warehouse's folder.

    Before, it was `.dagster` in the project. One with runs in it is still used until it is moved.
    """
    chosen = os.environ.get("DAGSTER_HOME")
    if chosen:
        return Path(chosen)
    home = warehouse_dir.absolute() / "dagster"
    return OLD_DAGSTER_HOME if (OLD_DAGSTER_HOME / "history").is_dir() and not home.exists() else home


def prepare_process_environment(warehouse_dir: Path) -> Path:
    """Make Dagster's home ready and point Dagster at it, and keep every tool from phoning home.

    The project's `dagster.yaml` is put into the home, also when it has changed since; one that does not begin as it
    does was written by somebody else and stays.

    Returns:
        The Dagster home in force.
    """
    home = dagster_home(warehouse_dir)
    home.mkdir(parents=True, exist_ok=True)
    _place(INSTANCE_CONFIG, home / INSTANCE_CONFIG.name)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    # A range of years makes tens of thousands of events: handed over together they are stored in one transaction.
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    return home


def _place(ours: Path, placed: Path) -> None:
    text = ours.read_text(encoding="utf-8")
    before = placed.read_text(encoding="utf-8") if placed.exists() else None
    if before == text or (before is not None and not before.startswith(_OURS)):
        return
    new = placed.with_name(f".{placed.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(placed)  # in one step: another process may be reading it


def give_dbt(build_path: Path) -> None:
    """Tell dbt, which Dagster starts with this process's environment, which build file to work on."""
    os.environ["ROTATION_BUILD_PATH"] = str(build_path.resolve())


def _sentence(problem: dict) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "settings"
    return f"{name}: {problem['msg']} (got {problem.get('input')!r})"


def variables(prefix: str) -> list[str]:
    """The names of the environment's variables that begin with a prefix."""
    return [name for name in os.environ if name.startswith(prefix)]


def _refuse_unknown_variables() -> None:
    known = {f"ROTATION_{name.upper()}" for name in Settings.model_fields} | _PROCESS_VARIABLES
    keys = {f"ROTATION_{kind}_{name.upper()}" for kind in _KEY_KINDS for name in SUPPORTED_EXCHANGES}
    nested = tuple(f"ROTATION_{name.upper()}__" for name in ("ingest", "publish", "retention"))
    for name in variables("ROTATION_"):
        if name not in known | keys and not name.startswith((*nested, ALERT_PREFIX)):
            raise SettingsError(f"{name}: no such setting; known are {', '.join(sorted(known))}")


_KEY_KINDS = ("KEY", "SECRET", "PASSPHRASE")
# read by dbt's profile and by the tests, never by a Settings field
_PROCESS_VARIABLES = {"ROTATION_BUILD_PATH", "ROTATION_REAL_DATA", "ROTATION_MEMORY_LIMIT"}
