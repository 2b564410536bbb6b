"""Events in the shapes that channels take: several in one message, each labelled where the market is not live."""

from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from html import escape
from typing import Any

from pipelines.alerts.events import Event

FOOTER = "Paper only: no orders were sent. Not investment advice."
MOST_EVENTS = 20
# Telegram takes 4,096 characters, Slack 3,000 in one section
MOST_CHARACTERS = 3_400
_MOST_TITLE, _MOST_TEXT = 200, 1_000
_MARKS = {"critical": "\u203c", "warning": "\u26a0", "info": "\u2022"}
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def bundles(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Events in their order, in groups that fit one message; a group is of one market, so one label holds for it."""
    bundle: list[Event] = []
    size = 0
    for event in events:
        own = len(title(event)) + len(text(event)) + 8
        is_full = len(bundle) == MOST_EVENTS or size + own > MOST_CHARACTERS
        if bundle and (is_full or event.source != bundle[0].source):
            yield bundle
            bundle, size = [], 0
        bundle.append(event)
        size += own
    if bundle:
        yield bundle


def title(event: Event) -> str:
    """One line, labelled, of bounded length."""
    return _short(" ".join(event.labelled_title.split()), _MOST_TITLE)


def text(event: Event) -> str:
    """The event's sentences, of bounded length."""
    return _short(event.text.strip(), _MOST_TEXT)


def plain(events: Sequence[Event]) -> str:
    """For people, without any markup."""
    parts = [f"{_MARKS[event.severity]} {title(event)}\n{text(event)}".strip() for event in events]
    return "\n\n".join([*parts, FOOTER])


def webhook(events: Sequence[Event]) -> dict[str, Any]:
    """For programs: every field of every event, and the text for people."""
    return {
        "product": "rotation",
        "version": 1,
        "is_simulated": any(event.is_simulated for event in events),
        "text": plain(events),
        "events": [event.as_dict() | {"title": event.labelled_title} for event in events],
    }


def slack(events: Sequence[Event]) -> dict[str, Any]:
    """An incoming webhook's message: a section per event, and the text that a notification shows."""
    sections = [
        f"{_MARKS[event.severity]} *{title(event).translate(_SLACK)}*\n{text(event).translate(_SLACK)}".strip()
        for event in events
    ]
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": _short(section, 3_000)}} for section in sections
    ]
    blocks.append({"type": "context", "elements": [{"type": "plain_text", "text": FOOTER}]})
    return {"text": headline(events).translate(_SLACK), "blocks": blocks}


def telegram(events: Sequence[Event], chat: str) -> dict[str, Any]:
    """The body of the Bot API's `sendMessage`."""
    marked = [(_MARKS[event.severity], escape(title(event), False), escape(text(event), False)) for event in events]
    parts = [f"{mark} <b>{first}</b>\n{rest}".strip() for mark, first, rest in marked]
    return {
        "chat_id": chat,
        "text": "\n\n".join([*parts, FOOTER]),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def email(events: Sequence[Event], sender: str, recipients: Sequence[str]) -> EmailMessage:
    """A plain-text mail; date and message id are the sending's."""
    message = EmailMessage()
    message["Subject"] = f"rotation: {headline(events)}"
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(plain(events))
    return message


def headline(events: Sequence[Event]) -> str:
    """The first event's title, and how many follow."""
    more = len(events) - 1
    return title(events[0]) + (f" (and {more} more)" if more else "")


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1].rstrip() + "\u2026"
