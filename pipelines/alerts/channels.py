"""Where events go: an HTTP address, Slack, Telegram, a mail server. Each is asked again where that helps.

An address or a token is a secret: no sentence here repeats what an exception or an answer says, only its kind.
"""

import asyncio
import smtplib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Any, Protocol

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from pipelines.alert_settings import AlertSettings
from pipelines.alerts import messages
from pipelines.alerts.events import Event
from pipelines.clock import utc_now

_RETRIED = (408, 425, 429, *range(500, 600))  # the 4xx among them say "not now" of a request that is right


class Refused(Exception):
    """A channel will not take a message, however often it is asked. The text says why and what to do."""


class Unreachable(Exception):
    """A channel could not take a message now. The text says why."""


@dataclass(frozen=True)
class Patience:
    """How often one message is tried, and the pause before the second attempt; it doubles with every further one."""

    attempts: int = 3
    first_wait_s: float = 1.0


class Channel(Protocol):
    """Somewhere to send events to.

    Attributes:
        name: What its deliveries are kept under.
    """

    name: str

    async def send(self, events: Sequence[Event]) -> str:
        """Send one message, trying it as often as its patience says; gives a word of warning, mostly empty.

        Raises:
            Refused: trying again is of no use.
            Unreachable: every attempt failed.
        """
        ...


@dataclass(frozen=True)
class HttpChannel:
    """One POST of JSON to an address.

    Attributes:
        url: The address, which is a secret.
        body: Gives the JSON for some events.
        variables: The environment variables that a refusal may be due to.
    """

    name: str
    url: str
    body: Callable[[Sequence[Event]], dict[str, Any]]
    variables: str
    timeout_s: float
    patience: Patience

    async def send(self, events: Sequence[Event]) -> str:
        """See `Channel`; redirections are not followed."""
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            return await _tried(self.patience, self._once, session, self.body(events))

    async def _once(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> str:
        try:
            async with session.post(self.url, json=body, allow_redirects=False) as response:
                status = response.status
        except TimeoutError:
            raise Unreachable(f"no answer within {self.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"it cannot be reached ({_kind(error)})") from None
        if status in _RETRIED:
            raise Unreachable(f"HTTP {status}")
        if not 200 <= status < 300:
            raise Refused(f"HTTP {status}; check {self.variables}")
        return ""


@dataclass(frozen=True)
class EmailChannel:
    """Mail through an SMTP server; `tls` gives the context of an encrypted connection."""

    settings: AlertSettings
    patience: Patience
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    name: str = "email"

    async def send(self, events: Sequence[Event]) -> str:
        """See `Channel`; a message that some recipients get counts as sent."""
        # One id for all attempts, so that a mail which was taken before the answer got lost shows as one.
        sender = self.settings.smtp_from or ""
        message = messages.email(events, sender, self.settings.smtp_to)
        message["Date"] = format_datetime(utc_now().replace(tzinfo=UTC))
        message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2] or "localhost")
        return await _tried(self.patience, asyncio.to_thread, self._once, message)

    def _once(self, message: Any) -> str:
        try:
            with self._connect() as server:
                refused = server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _said(max(codes, default=550), "every recipient was refused") from None
        except smtplib.SMTPResponseException as error:
            raise _said(error.smtp_code, type(error).__name__) from None
        except smtplib.SMTPNotSupportedError:
            raise Refused(
                "the server does not offer STARTTLS or the log-in; check ROTATION_ALERTS__SMTP_SECURITY and _SMTP_USER"
            ) from None
        except ssl.SSLCertVerificationError:
            raise Refused("the server's certificate cannot be trusted; check ROTATION_ALERTS__SMTP_HOST") from None
        except TimeoutError:
            raise Unreachable(f"no answer within {self.settings.timeout_seconds:g} s") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable(f"the server cannot be reached ({_kind(error)})") from None
        return f"{len(refused)} of {len(self.settings.smtp_to)} recipients were refused" if refused else ""

    def _connect(self) -> smtplib.SMTP:
        settings = self.settings
        host, port, timeout = settings.smtp_host or "", settings.port, settings.timeout_seconds
        if settings.smtp_security == "ssl":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=self.tls())
        else:
            server = smtplib.SMTP(host, port, timeout=timeout)
        try:
            if settings.smtp_security == "starttls":
                server.starttls(context=self.tls())
            if settings.smtp_user and settings.smtp_password:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server


def open_channels(settings: AlertSettings, patience: Patience | None = None) -> list[Channel]:
    """Every channel that is configured completely."""
    patience = patience or Patience()

    def http(name: str, url: str, body: Callable[[Sequence[Event]], dict[str, Any]], *variables: str) -> HttpChannel:
        named = " and ".join(f"ROTATION_ALERTS__{variable}" for variable in variables)
        return HttpChannel(name, url, body, named, settings.timeout_seconds, patience)

    found: list[Channel] = []
    names = settings.channel_names
    if "webhook" in names:
        found.append(http("webhook", settings.webhook_url.get_secret_value(), messages.webhook, "WEBHOOK_URL"))
    if "slack" in names:
        found.append(http("slack", settings.slack_url.get_secret_value(), messages.slack, "SLACK_URL"))
    if "telegram" in names:
        url = f"{settings.telegram_url.rstrip('/')}/bot{settings.telegram_token.get_secret_value()}/sendMessage"
        chat = settings.telegram_chat
        found.append(http(
            "telegram", url, lambda events: messages.telegram(events, chat), "TELEGRAM_TOKEN", "TELEGRAM_CHAT"
        ))  # fmt: skip
    if "email" in names:
        found.append(EmailChannel(settings, patience))
    return found


async def _tried(patience: Patience, attempt: Callable[..., Awaitable[str]], *arguments: Any) -> str:
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Unreachable),
        wait=wait_exponential(patience.first_wait_s, max=patience.first_wait_s * 8),
        stop=stop_after_attempt(patience.attempts),
        reraise=True,
    )
    return await retrying(attempt, *arguments)


def _said(code: int, what: str) -> Exception:
    """From a mail server's answer: 4yz may be better the next time, 5yz will not."""
    if code >= 500:
        return Refused(f"SMTP {code} ({what}); check the ROTATION_ALERTS__SMTP_ variables")
    return Unreachable(f"SMTP {code} ({what})")


def _kind(error: Exception) -> str:
    """The kind of an error; its text may repeat the address."""
    return type(error).__name__
