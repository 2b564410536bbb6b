"""The only reader of environment variables: where things lie and how a run fetches; never what it decides.

What a run decides stands in `policy.yml` and `portfolio.yml`; the settings below change no number of a decision but
its input. Every field can be set as `ROTATION_<FIELD>`; nested ones as `ROTATION_INGEST__RATE_LIMIT`. Keys of an
exchange account (`ROTATION_KEY_<EXCHANGE>`, `ROTATION_SECRET_<EXCHANGE>`, `ROTATION_PASSPHRASE_<EXCHANGE>`, so for
Binance `ROTATION_KEY_BINANCE` and `ROTATION_SECRET_BINANCE`) are no settings: only the command that reads balances asks
for them, by `exchange_credentials`. Nor are the addresses and tokens that alerts are sent with
(`ROTATION_ALERTS__<NAME>`): only what sends them asks for them, by `load_alert_settings`, so a mistake in them never
stops a run.
"""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

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
SEEDS_DIRECTORY = DBT_DIRECTORY / "seeds"
DEFAULT_PORTFOLIO = PROJECT_ROOT / "portfolio.yml"
SUPPORTED_EXCHANGES = ("binance", "bybit", "bingx", "weex", "mexc", "bitget", "okx")
DEFAULT_EXCHANGES = ("binance", "bybit", "bingx", "weex", "mexc")


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in SUPPORTED_EXCHANGES]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: choose from {', '.join(SUPPORTED_EXCHANGES)}")
    return tuple(dict.fromkeys(names))


ExchangeNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_known)]
"""Names of supported exchanges, as text with commas between."""


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
        ingest: How facts are fetched.
        publish: What a release holds.
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
    ingest: IngestSettings = IngestSettings()
    publish: PublishSettings = PublishSettings()

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


def _address(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError("is no address; write it as https://...")
    return value


Address = Annotated[SecretStr, AfterValidator(_address)]
ALERT_PREFIX = "ROTATION_ALERTS__"


class AlertSettings(BaseSettings):
    """Where alerts go, from `ROTATION_ALERTS__<FIELD>`. What is not set is not used; secrets print as stars.

    Attributes:
        webhook_url: Gets every event as JSON.
        slack_url: A Slack incoming webhook.
        telegram_token: Of the bot that writes.
        telegram_chat: Whom it writes to.
        telegram_url: The Bot API.
        smtp_host: The mail server.
        smtp_port: None: 587 with starttls, 465 with ssl, 25 with none.
        smtp_security: How the connection is encrypted.
        smtp_user, smtp_password: The log-in; None: without one.
        smtp_from: The sender's address.
        smtp_to: The recipients' addresses.
        stale_hours: Age of the release in hours from which it counts as stale.
        timeout_seconds: Longest wait for one answer.
    """

    model_config = SettingsConfigDict(env_prefix=ALERT_PREFIX, extra="forbid", env_ignore_empty=True)

    webhook_url: Address | None = None
    slack_url: Address | None = None
    telegram_token: SecretStr | None = None
    telegram_chat: str | None = None
    telegram_url: str = "https://api.telegram.org"
    smtp_host: str | None = None
    smtp_port: int | None = Field(None, ge=1, le=65535)
    smtp_security: Literal["starttls", "ssl", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: str | None = None
    smtp_to: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    stale_hours: float = Field(26.0, gt=0)
    timeout_seconds: float = Field(10.0, gt=0, le=15)

    @field_validator("telegram_token")
    @classmethod
    def _is_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[\w:-]+", value.get_secret_value()):
            raise ValueError("is no bot token; write it as BotFather gave it")
        return value

    @field_validator("telegram_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return _address(SecretStr(value)).get_secret_value()

    @property
    def port(self) -> int:
        """Of the mail server."""
        return self.smtp_port or {"starttls": 587, "ssl": 465, "none": 25}[self.smtp_security]

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The channels that are configured completely."""
        complete = {
            "webhook": self.webhook_url,
            "slack": self.slack_url,
            "telegram": self.telegram_token and self.telegram_chat,
            "email": self.smtp_host and self.smtp_from and self.smtp_to and not self._unsafe_login,
        }
        return tuple(name for name, is_complete in complete.items() if is_complete)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What keeps a channel that was begun from being used, a sentence each."""
        wanted = [
            ("telegram", ("TELEGRAM_TOKEN", "TELEGRAM_CHAT")),
            ("email", ("SMTP_HOST", "SMTP_FROM", "SMTP_TO")),
        ]
        if self.smtp_user or self.smtp_password:
            wanted.append(("the log-in of email", ("SMTP_USER", "SMTP_PASSWORD")))
        found = []
        for what, names in wanted:
            missing = [ALERT_PREFIX + name for name in names if not getattr(self, name.lower())]
            if 0 < len(missing) < len(names):
                found.append(f"{what} is not used: {' and '.join(missing)} is not set")
        if self._unsafe_login:
            found.append(
                f"email is not used: with {ALERT_PREFIX}SMTP_SECURITY=none the password would travel readable by all; "
                "set it to starttls or ssl"
            )
        return tuple(found)

    @property
    def _unsafe_login(self) -> bool:
        return self.smtp_security == "none" and self.smtp_password is not None


def load_alert_settings() -> AlertSettings:
    """The alerts' settings, from the environment.

    Raises:
        SettingsError: A value is wrong or a `ROTATION_ALERTS__` variable is unknown; the message names the variable
            and never repeats its value, which may be a secret.
    """
    known = {ALERT_PREFIX + name.upper() for name in AlertSettings.model_fields}
    for name in os.environ:
        if name.startswith(ALERT_PREFIX) and name not in known:
            raise SettingsError(f"{name}: no such setting; known are {', '.join(sorted(known))}")
    try:
        return AlertSettings()
    except ValidationError as error:
        problems = [(ALERT_PREFIX + str(one["loc"][0]).upper(), one["msg"]) for one in error.errors()]
        raise SettingsError("; ".join(f"{name}: {message}" for name, message in problems)) from None


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


def prepare_process_environment(dagster_home: Path | None = None) -> Path:
    """Point Dagster at this project's home unless the user chose one, and keep every tool from phoning home.

    Returns:
        The Dagster home in force.
    """
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(dagster_home or PROJECT_ROOT / ".dagster")))
    home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    # A range of years makes tens of thousands of events: handed over together they are stored in one transaction.
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    return home


def give_dbt(build_path: Path) -> None:
    """Tell dbt, which Dagster starts with this process's environment, which build file to work on."""
    os.environ["ROTATION_BUILD_PATH"] = str(build_path.resolve())


def _sentence(problem: dict) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "settings"
    return f"{name}: {problem['msg']} (got {problem.get('input')!r})"


def _refuse_unknown_variables() -> None:
    known = {f"ROTATION_{name.upper()}" for name in Settings.model_fields} | _PROCESS_VARIABLES
    keys = {f"ROTATION_{kind}_{name.upper()}" for kind in _KEY_KINDS for name in SUPPORTED_EXCHANGES}
    nested = tuple(f"ROTATION_{name.upper()}__" for name in ("ingest", "publish"))
    for name in os.environ:
        if name.startswith("ROTATION_") and name not in known | keys and not name.startswith((*nested, ALERT_PREFIX)):
            raise SettingsError(f"{name}: no such setting; known are {', '.join(sorted(known))}")


_KEY_KINDS = ("KEY", "SECRET", "PASSPHRASE")
# read by dbt's profile and by the tests, never by a Settings field
_PROCESS_VARIABLES = {"ROTATION_BUILD_PATH", "ROTATION_REAL_DATA", "ROTATION_MEMORY_LIMIT"}
