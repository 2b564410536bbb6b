"""Channels against real local servers: what arrives, what is tried again, and what is never said."""

import asyncio
import logging
import ssl
from collections import deque

import pytest

from pipelines.alert_settings import AlertSettings, load_alert_settings
from pipelines.alerts.channels import EmailChannel, HttpChannel, Patience, Refused, Unreachable, open_channels

AT_ONCE = Patience(attempts=3, first_wait_s=0.0)


@pytest.fixture
def webhook(http):
    return HttpChannel(
        "webhook", f"{http.url}/hook/PATH-SECRET", lambda events: {"n": len(events)}, "ROTATION_ALERTS__WEBHOOK_URL",
        timeout_s=5.0, patience=AT_ONCE,
    )  # fmt: skip


def send(channel, *events):
    return asyncio.run(channel.send(events))


def failing(channel, *events):
    with pytest.raises((Refused, Unreachable)) as failed:
        send(channel, *events)
    return failed.value


def test_every_configured_channel_gets_its_own_shape_at_its_own_address(secrets, http, event):
    channels = open_channels(load_alert_settings(), AT_ONCE)
    assert [channel.name for channel in channels] == ["webhook", "slack", "telegram"]
    for channel in channels:
        send(channel, event(source="simulated"))
    posts = dict(http.posts)
    assert set(posts) == {"/hook/PATH-SECRET", "/services/SLACK-SECRET", "/bot123:TELEGRAM-SECRET/sendMessage"}
    assert posts["/hook/PATH-SECRET"]["events"][0]["kind"] == "state_change"
    assert posts["/services/SLACK-SECRET"]["blocks"][0]["type"] == "section"
    assert posts["/bot123:TELEGRAM-SECRET/sendMessage"]["chat_id"] == "-100200"
    assert all("[SIMULATED]" in str(body) for body in http.bodies)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_an_answer_that_may_be_better_later_is_asked_for_again(webhook, http, event, status):
    http.answers.extend([status, status])
    send(webhook, event())
    assert len(http.posts) == 3


def test_it_is_given_up_after_three_attempts(webhook, http, event):
    http.answers.extend([500] * 9)
    error = failing(webhook, event())
    assert (type(error), str(error), len(http.posts)) == (Unreachable, "HTTP 500", 3)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 302])
def test_a_refusal_is_not_asked_for_again_and_says_what_to_check(webhook, http, event, status):
    http.answers.extend([status] * 3)
    error = failing(webhook, event())
    assert (type(error), str(error)) == (Refused, f"HTTP {status}; check ROTATION_ALERTS__WEBHOOK_URL")
    assert len(http.posts) == 1  # and no redirection was followed


def test_a_server_that_never_answers_is_left_after_the_timeout_each_time(http, event):
    http.answers.extend([None, None])
    channel = HttpChannel("webhook", http.url, lambda events: {}, "X", timeout_s=0.2, patience=AT_ONCE)
    send(channel, event())
    assert len(http.posts) == 3
    http.answers.extend([None] * 3)
    assert str(failing(channel, event())) == "no answer within 0.2 s"


def test_a_server_that_is_not_there_is_unreachable_and_its_address_is_not_said(event):
    channel = HttpChannel(
        "webhook", "http://127.0.0.1:9/PATH-SECRET", lambda events: {}, "X", timeout_s=5.0, patience=AT_ONCE
    )
    error = failing(channel, event())
    assert isinstance(error, Unreachable)
    assert "PATH-SECRET" not in repr(error)
    assert error.__suppress_context__


@pytest.fixture
def mail_settings():
    def make(port, security, **more):
        usual = {
            "smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": security, "smtp_from": "rotation@x.org",
            "smtp_to": ("a@x.org", "b@x.org"), "timeout_seconds": 5.0,
        }  # fmt: skip
        return AlertSettings(**(usual | more))

    return make


@pytest.fixture
def mail(mail_settings, smtp, certificate):
    """A mail server and a channel to it that trusts its certificate: `mail("starttls")`."""

    def make(security, **more):
        server = smtp(security)

        def trusting():
            return ssl.create_default_context(cafile=str(certificate))

        return server, EmailChannel(mail_settings(server.port, security, **more), AT_ONCE, trusting)

    return make


@pytest.mark.parametrize(("security", "is_encrypted"), [("starttls", True), ("ssl", True)])
def test_a_mail_is_sent_with_a_log_in_that_is_encrypted(mail, event, security, is_encrypted):
    server, channel = mail(security, smtp_user="me", smtp_password="MAIL-SECRET")
    assert send(channel, event(source="simulated")) == ""
    assert server.logins == [("me", "MAIL-SECRET", is_encrypted)]
    ((recipients, message),) = server.mails
    assert recipients == ["a@x.org", "b@x.org"]
    assert message["Subject"] == "rotation: [SIMULATED] DEFI: NEUTRAL became OVERLEVERAGED (REDUCE)"
    assert "Funding is high." in message.get_content()
    assert message["Message-ID"].endswith("@x.org>")
    assert message["Date"]


def test_a_server_without_a_log_in_takes_mail_unencrypted_where_that_is_asked_for(mail, event):
    server, channel = mail("none")
    send(channel, event())
    assert (len(server.mails), server.logins, "STARTTLS" in server.commands) == (1, [], False)


def test_a_server_that_offers_no_encryption_gets_neither_password_nor_mail(mail_settings, smtp, event):
    server = smtp("none")
    settings = mail_settings(server.port, "starttls", smtp_user="me", smtp_password="MAIL-SECRET")
    error = failing(EmailChannel(settings, AT_ONCE), event())
    assert isinstance(error, Refused)
    assert (server.logins, server.mails, server.commands.count("EHLO")) == ([], [], 1)


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(mail_settings, smtp, event):
    server = smtp("ssl")
    error = failing(EmailChannel(mail_settings(server.port, "ssl"), AT_ONCE), event())
    assert isinstance(error, Refused)
    assert "certificate cannot be trusted" in str(error)
    assert server.commands == []


def test_a_wrong_password_is_said_by_its_code_and_not_tried_again(mail, event):
    server, channel = mail("starttls", smtp_user="me", smtp_password="MAIL-SECRET")
    server.answers["AUTH"] = deque(["535 5.7.8 MAIL-SECRET is wrong, me"])
    error = failing(channel, event())
    assert isinstance(error, Refused)
    assert "SMTP 535" in str(error)
    assert "MAIL-SECRET" not in str(error)
    assert server.commands.count("AUTH") == 1


def test_a_server_that_is_busy_is_tried_again_until_it_takes_the_mail(mail, event):
    server, channel = mail("none")
    server.answers["DATA"] = deque(["451 later"])
    server.answers["MAIL"] = deque(["421 busy"])
    send(channel, event())
    assert server.commands.count("MAIL") == 3
    assert len(server.mails) == 1


def test_all_recipients_refused_is_a_refusal_and_one_of_them_is_a_warning(mail, event):
    server, channel = mail("none")
    server.answers["RCPT"] = deque(["550 unknown", "250 ok"])
    assert send(channel, event()) == "1 of 2 recipients were refused"
    server.answers["RCPT"] = deque(["550 unknown", "550 unknown"])
    assert "every recipient was refused" in str(failing(channel, event()))
    server.answers["RCPT"] = deque(["450 greylisted", "450 greylisted"])
    send(channel, event())  # the second attempt is taken
    assert len(server.mails) == 2


def test_a_mail_server_that_is_not_there_is_unreachable(mail_settings, event):
    assert isinstance(failing(EmailChannel(mail_settings(9, "none"), AT_ONCE), event()), Unreachable)


def test_no_secret_is_logged_printed_or_raised_at_the_finest_logging(secrets, http, event, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    http.answers.extend([500, 500, 500, 404, 401])
    errors = [repr(failing(channel, event())) for channel in open_channels(load_alert_settings(), AT_ONCE)]
    written = capfd.readouterr()
    everything = "".join([caplog.text, written.out, written.err, *errors, repr(load_alert_settings())])
    assert [secret for secret in secrets if secret in everything] == []
    assert [error.partition("(")[0] for error in errors] == ["Unreachable", "Refused", "Refused"]
