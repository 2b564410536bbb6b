"""`rotation alerts`, and what `rotation doctor` says of the channels."""

import json
import logging

import pytest

from pipelines.alerts.told import Told
from tests.alerts.conftest import SECOND, THIRD, position, signal

DAYS = {
    SECOND: {"signals": [signal("DEFI", "NEUTRAL")]},
    THIRD: {"signals": [signal("DEFI", "OVERLEVERAGED", "REDUCE")], "positions": [position("hedge-BTC", "open")]},
}


@pytest.fixture
def published(environment, publish_days, monkeypatch):
    """A small release; it counts as fresh however long ago its nights were."""
    monkeypatch.setenv("ROTATION_ALERTS__STALE_HOURS", "1e6")
    return publish_days(environment, DAYS)


def test_what_is_new_is_sent_once(rotation, published, http):
    assert rotation("alerts") == (0, "webhook: told 2\n", "")
    assert rotation("alerts") == (0, "webhook: told 0\n", "")
    assert len(http.posts) == 1
    assert len(http.titles) == 2


def test_a_dry_run_prints_the_message_and_sends_and_keeps_nothing(rotation, published, environment, http):
    code, out, _ = rotation("alerts", "--dry-run")
    assert code == 0
    assert "[SIMULATED] DEFI: NEUTRAL became OVERLEVERAGED (REDUCE)\nDEFI: OVERLEVERAGED. Because.\n" in out
    assert "Paper only" in out
    assert out.endswith("2 new; would be sent to webhook\n")
    assert http.posts == []
    assert not Told(environment).path.exists()
    assert rotation("alerts")[1] == "webhook: told 2\n"
    assert rotation("alerts", "--dry-run")[1] == "nothing new\n"


def test_a_dry_run_needs_no_channel_and_the_command_itself_does(rotation, published, monkeypatch):
    monkeypatch.delenv("ROTATION_ALERTS__WEBHOOK_URL")
    assert "2 new; would be sent nowhere: no channel is configured" in rotation("alerts", "--dry-run")[1]
    code, out, err = rotation("alerts")
    assert (code, out) == (2, "")
    assert "set ROTATION_ALERTS__WEBHOOK_URL" in err


def test_json_has_the_events_and_what_became_of_them(answer_json, published):
    told = answer_json("alerts")
    assert (told["dry_run"], told["channels"]) == (False, ["webhook"])
    assert [event["kind"] for event in told["events"]] == ["state_change", "position_opened"]
    assert all(event["title"].startswith("[SIMULATED]") for event in told["events"])
    assert told["tellings"] == [{"channel": "webhook", "told": 2, "problem": "", "is_refused": False}]


def test_the_test_message_goes_to_every_channel_each_time_and_is_labelled(rotation, secrets, http):
    for _ in range(2):
        assert rotation("alerts", "test") == (0, "webhook: told 1\nslack: told 1\ntelegram: told 1\n", "")
    assert len(http.posts) == 6
    assert all("[SIMULATED] A test message" in json.dumps(body) for body in http.bodies)


def test_a_refusing_channel_ends_with_2_a_silent_one_with_4_and_the_others_get_theirs(rotation, secrets, http):
    http.answers.extend([404])
    code, out, err = rotation("alerts", "test")
    assert (code, out.count("told 1"), out.count("told 0")) == (2, 2, 1)
    assert "HTTP 404; check ROTATION_ALERTS__" in err
    http.answers.extend([500] * 9)
    code, _, err = rotation("alerts", "test")
    assert (code, err.count("HTTP 500")) == (4, 3)


def test_what_was_refused_is_sent_by_the_command_once_it_is_repaired(rotation, published, http):
    http.answers.append(403)
    code, _, err = rotation("alerts")
    assert code == 2
    assert "HTTP 403; check ROTATION_ALERTS__WEBHOOK_URL" in err
    assert rotation("alerts") == (0, "webhook: told 2\n", "")


def test_no_secret_is_in_any_output_or_log(rotation, published, secrets, http, caplog, monkeypatch, environment):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ROTATION_ALERTS__SMTP_PASSWORD", "MAIL-SECRET")
    http.answers.extend([404, 500, 401] * 3)
    shown = [rotation("alerts"), rotation("--debug", "alerts", "test"), rotation("alerts", "--format", "json")]
    shown += [rotation("doctor"), rotation("doctor", "--format", "json"), rotation("alerts", "--dry-run")]
    everything = repr(shown) + caplog.text + Told(environment).path.read_bytes().decode("latin-1")
    assert [secret for secret in [*secrets, "MAIL-SECRET"] if secret in everything] == []
    assert "HTTP 404" in everything


def test_the_doctor_says_where_alerts_go_and_what_did_not_arrive(rotation, answer_json, published, http, monkeypatch):
    found = answer_json("doctor")
    assert found["alerts"] == {"channels": ["webhook"]}
    http.answers.extend([500] * 3)
    assert rotation("alerts")[0] == 4
    monkeypatch.setenv("ROTATION_ALERTS__TELEGRAM_CHAT", "1")
    found = answer_json("doctor")
    assert found["alerts"]["webhook"] == "0 told, 2 waiting"
    assert "alerts: webhook did not take the last message: HTTP 500" in found["warnings"]
    assert any("ROTATION_ALERTS__TELEGRAM_TOKEN is not set" in warning for warning in found["warnings"])
    assert found["usable"]
    rotation("alerts")
    found = answer_json("doctor")
    assert found["alerts"]["webhook"].startswith("2 told, last at ")
    assert not any("did not take" in warning for warning in found["warnings"])


def test_the_doctor_says_that_nobody_is_told_and_names_a_wrong_variable(answer_json, environment, monkeypatch):
    monkeypatch.delenv("ROTATION_ALERTS__WEBHOOK_URL")
    assert "none is configured" in answer_json("doctor")["alerts"]["channels"]
    monkeypatch.setenv("ROTATION_ALERTS__SLAK_URL", "https://SECRET-VALUE")
    found = answer_json("doctor")
    assert any("ROTATION_ALERTS__SLAK_URL: no such setting" in problem for problem in found["problems"])
    assert "SECRET-VALUE" not in json.dumps(found)
