"""The shapes of messages: labelled, escaped, and never longer than a channel takes."""

import pytest

from pipelines.alerts import messages

BAD = "Funding <3 & rising\nL1 > DEFI"


def test_the_generic_webhook_has_every_field_of_every_event(event):
    body = messages.webhook([event(source="simulated", title="One"), event(source="simulated", title="Two")])
    assert (body["product"], body["version"], body["is_simulated"]) == ("rotation", 1, True)
    assert body["events"][0] == {
        "event_id": "state_change:2026-11-21:DEFI:NEUTRAL>OVERLEVERAGED", "kind": "state_change",
        "severity": "warning", "title": "[SIMULATED] One", "text": "Funding is high.", "source": "simulated",
        "day": "2026-11-21", "release_id": "000003-20261121", "run_id": None,
    }  # fmt: skip
    assert [one["title"] for one in body["events"]] == ["[SIMULATED] One", "[SIMULATED] Two"]
    assert body["text"].endswith(messages.FOOTER)


def test_slack_gets_a_section_per_event_with_its_three_characters_escaped(event):
    body = messages.slack([event(title="A & B", text=BAD), event(title="Two", text="")])
    sections = [block["text"] for block in body["blocks"] if block["type"] == "section"]
    assert sections == [
        {"type": "mrkdwn", "text": "⚠ *A &amp; B*\nFunding &lt;3 &amp; rising\nL1 &gt; DEFI"},
        {"type": "mrkdwn", "text": "⚠ *Two*"},
    ]
    assert body["text"] == "A &amp; B (and 1 more)"
    assert body["blocks"][-1]["elements"][0]["text"] == messages.FOOTER


def test_telegram_gets_html_to_its_chat_without_a_preview(event):
    body = messages.telegram([event(title="A & B", text=BAD, severity="critical")], "-100200")
    assert body == {
        "chat_id": "-100200",
        "text": f"‼ <b>A &amp; B</b>\nFunding &lt;3 &amp; rising\nL1 &gt; DEFI\n\n{messages.FOOTER}",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def test_a_mail_has_one_line_of_subject_whatever_an_event_says(event):
    mail = messages.email([event(title="A\r\nBcc: x@y.z"), event()], "from@x.org", ["a@x.org", "b@x.org"])
    assert mail["Subject"] == "rotation: A Bcc: x@y.z (and 1 more)"
    assert (mail["From"], mail["To"], mail["Bcc"]) == ("from@x.org", "a@x.org, b@x.org", None)
    assert "Funding is high." in mail.get_content()
    assert messages.FOOTER in mail.get_content()


@pytest.mark.parametrize("shape", ["webhook", "slack", "telegram", "email"])
def test_a_simulated_market_is_said_in_every_shape(event, shape):
    events = [event(source="simulated")]
    made = {
        "webhook": lambda: messages.webhook(events)["text"],
        "slack": lambda: str(messages.slack(events)["blocks"][0]) + messages.slack(events)["text"],
        "telegram": lambda: messages.telegram(events, "1")["text"],
        "email": lambda: (mail := messages.email(events, "a@b.c", ["a@b.c"])).get_content() + mail["Subject"],
    }[shape]()
    assert made.count("[SIMULATED] DEFI") == (2 if shape in ("slack", "email") else 1)


def test_events_of_one_market_share_a_message_until_it_is_full(event):
    many = [event(event_id=str(number), text="x" * 900) for number in range(8)]
    bundles = list(messages.bundles(many))
    assert [one for bundle in bundles for one in bundle] == many
    # a title of 44 characters and a text of 900 make 952 with their marks: three fit into 3,400
    assert [len(bundle) for bundle in bundles] == [3, 3, 2]
    assert [len(bundle) for bundle in messages.bundles([event(text="")] * 45)] == [20, 20, 5]
    mixed = [event(source="live"), event(source="simulated"), event(source="simulated")]
    assert [len(bundle) for bundle in messages.bundles(mixed)] == [1, 2]
    assert list(messages.bundles([])) == []


def test_an_endless_event_is_cut_so_that_every_channel_takes_it(event):
    endless = event(title="<" * 5_000, text="&" * 50_000)
    ((only,),) = messages.bundles([endless])
    body = messages.telegram([only], "1")
    shown = body["text"].replace("&lt;", "<").replace("&amp;", "&")
    assert len(shown) < 4_096  # Telegram counts characters as they are shown
    assert "…" in shown
    slack = messages.slack([only])
    assert all(len(block["text"]["text"]) <= 3_000 for block in slack["blocks"] if block["type"] == "section")
    assert len(messages.email([only], "a@b.c", ["a@b.c"])["Subject"]) < 300
