"""Where alerts go: addresses and tokens from the environment (`ROTATION_ALERTS__<NAME>`) and from nowhere else.

Only what sends them asks for them, so a mistake in them never stops a run.
"""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipelines.settings import ALERT_PREFIX, SettingsError, split_commas, variables


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
    smtp_to: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)] = ()
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
    for name in variables(ALERT_PREFIX):
        if name not in known:
            raise SettingsError(f"{name}: no such setting; known are {', '.join(sorted(known))}")
    try:
        return AlertSettings()
    except ValidationError as error:
        problems = [(ALERT_PREFIX + str(one["loc"][0]).upper(), one["msg"]) for one in error.errors()]
        raise SettingsError("; ".join(f"{name}: {message}" for name, message in problems)) from None
