"""The alerts' settings: from the environment only, checked, and never repeated in an error."""

import pytest

from pipelines.alert_settings import load_alert_settings
from pipelines.settings import Settings, SettingsError, load_settings


def test_nothing_configured_is_no_channel_and_no_problem():
    settings = load_alert_settings()
    assert (settings.channel_names, settings.gaps) == ((), ())


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch):
    monkeypatch.setenv("ROTATION_ALERTS__SLACK_URL", "")
    assert load_alert_settings().channel_names == ()


def test_a_mail_server_is_asked_at_the_usual_port_of_its_encryption(monkeypatch):
    ports = {}
    for security in ("starttls", "ssl", "none"):
        monkeypatch.setenv("ROTATION_ALERTS__SMTP_SECURITY", security)
        ports[security] = load_alert_settings().port
    assert ports == {"starttls": 587, "ssl": 465, "none": 25}
    monkeypatch.setenv("ROTATION_ALERTS__SMTP_PORT", "2525")
    assert load_alert_settings().port == 2525


def test_recipients_are_addresses_with_commas_between(monkeypatch):
    monkeypatch.setenv("ROTATION_ALERTS__SMTP_TO", "a@x.org, b@x.org")
    assert load_alert_settings().smtp_to == ("a@x.org", "b@x.org")


@pytest.mark.parametrize(
    ("variables", "gap"),
    [
        ({"TELEGRAM_TOKEN": "1:a"}, "telegram is not used: ROTATION_ALERTS__TELEGRAM_CHAT is not set"),
        ({"SMTP_HOST": "h"}, "ROTATION_ALERTS__SMTP_FROM and ROTATION_ALERTS__SMTP_TO is not set"),
        ({"SMTP_USER": "me"}, "the log-in of email is not used: ROTATION_ALERTS__SMTP_PASSWORD is not set"),
        (
            {"SMTP_HOST": "h", "SMTP_FROM": "a@b.c", "SMTP_TO": "a@b.c", "SMTP_SECURITY": "none", "SMTP_USER": "u",
             "SMTP_PASSWORD": "p"},
            "the password would travel readable by all",
        ),
    ],
)  # fmt: skip
def test_a_channel_that_is_begun_and_not_complete_is_not_used_and_says_what_is_missing(monkeypatch, variables, gap):
    for name, value in variables.items():
        monkeypatch.setenv(f"ROTATION_ALERTS__{name}", value)
    settings = load_alert_settings()
    assert settings.channel_names == ()
    assert any(gap in one for one in settings.gaps)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WEBHOOK_URL", "hooks.x.org/SECRET-VALUE", "ROTATION_ALERTS__WEBHOOK_URL: .*write it as https://"),
        ("SLACK_URL", "file:///SECRET-VALUE", "ROTATION_ALERTS__SLACK_URL: "),
        ("TELEGRAM_TOKEN", "SECRET-VALUE/../x", "ROTATION_ALERTS__TELEGRAM_TOKEN: .*BotFather"),
        ("SMTP_PORT", "SECRET-VALUE", "ROTATION_ALERTS__SMTP_PORT: .*integer"),
        ("SLAK_URL", "https://SECRET-VALUE", "ROTATION_ALERTS__SLAK_URL: no such setting; known are "),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not_repeated(monkeypatch, name, value, message):
    monkeypatch.setenv(f"ROTATION_ALERTS__{name}", value)
    with pytest.raises(SettingsError, match=message) as error:
        load_alert_settings()
    assert "SECRET-VALUE" not in repr(error.value)
    assert error.value.__cause__ is None


def test_the_settings_of_a_run_hold_no_alert_and_no_mistake_in_one_stops_a_run(monkeypatch):
    monkeypatch.setenv("ROTATION_ALERTS__SLAK_URL", "https://x")
    monkeypatch.setenv("ROTATION_ALERTS__SMTP_PORT", "no port")
    assert load_settings().source == "simulated"
    assert "alerts" not in Settings.model_fields


def test_secrets_print_as_stars(secrets):
    shown = repr(load_alert_settings()) + str(load_alert_settings().model_dump(mode="json"))
    assert "**********" in shown
    assert [secret for secret in secrets if secret in shown] == []
