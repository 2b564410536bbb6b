"""What was told: once per channel, over restarts and processes, waiting for a channel that fails."""

import multiprocessing
import sqlite3
from datetime import datetime, timedelta

import pytest

from pipelines.alerts.channels import Refused, Unreachable
from pipelines.alerts.check import tell
from pipelines.alerts.told import AlertError, Told

NOW = datetime(2026, 11, 22, 0, 20)
LATER = NOW + timedelta(hours=1)


class Recording:
    """A channel that notes what it gets, or fails as it is told."""

    def __init__(self, name, *failures):
        self.name, self.failures, self.got, self.asked = name, list(failures), [], 0

    async def send(self, events):
        self.asked += 1
        if self.failures:
            failure = self.failures.pop(0)
            if failure is not None:
                raise failure
        self.got += [event.event_id for event in events]
        return ""


def test_an_event_is_told_once_also_after_a_restart(tmp_path, event):
    channel = Recording("webhook")
    for _ in range(3):  # each time as a new process would: nothing is kept but the file
        told = Told(tmp_path)
        told.add([event()], ["webhook"], NOW)
        tell(told, [channel], NOW)
    assert channel.got == [event().event_id]


def test_a_look_at_what_was_told_creates_no_file(tmp_path, event):
    told = Told(tmp_path / "nowhere")
    assert told.known([event().event_id]) == set()
    assert (told.has_waiting(), told.release_looked_at(), told.channels()) == (False, None, {})
    assert not (tmp_path / "nowhere").exists()


def test_a_channel_that_fails_gets_its_events_later_and_the_other_ones_only_once(tmp_path, event):
    told, good, bad = Told(tmp_path), Recording("webhook"), Recording("email", Unreachable("HTTP 500"))
    told.add([event()], ["webhook", "email"], NOW)
    outcomes = {one.channel: one for one in tell(told, [good, bad], NOW)}
    assert (outcomes["webhook"].told, outcomes["email"].told, outcomes["email"].problem) == (1, 0, "HTTP 500")
    state = told.channels()["email"]
    assert (state.told, state.waiting, state.problem) == (0, 1, "HTTP 500")
    tell(told, [good, bad], LATER)
    assert (good.got, bad.got) == ([event().event_id], [event().event_id])
    assert told.channels()["email"].problem == ""
    assert not told.has_waiting()


def test_what_waits_is_given_up_after_two_days(tmp_path, event):
    told, channel = Told(tmp_path), Recording("webhook", Unreachable("down"))
    told.add([event()], ["webhook"], NOW)
    tell(told, [channel], NOW)
    tell(told, [channel], NOW + timedelta(hours=49))
    assert (channel.asked, channel.got) == (1, [])
    state = told.channels()["webhook"]
    assert (state.waiting, state.refused, state.problem) == (0, 1, "down")


def test_what_was_refused_is_sent_again_only_when_a_person_asks(tmp_path, event):
    told, channel = Told(tmp_path), Recording("webhook", Refused("HTTP 404; check it"))
    told.add([event()], ["webhook"], NOW)
    (outcome,) = tell(told, [channel], NOW)
    assert (outcome.is_refused, outcome.problem) == (True, "HTTP 404; check it")
    tell(told, [channel], LATER)
    assert channel.asked == 1
    tell(told, [channel], LATER, again=True)
    assert channel.got == [event().event_id]


def test_a_refused_message_does_not_keep_the_next_one_back_and_a_silent_channel_does(tmp_path, event):
    events = [event(event_id=str(number), text="x" * 900) for number in range(6)]  # two messages of three
    refusing, silent = Recording("a", Refused("HTTP 400")), Recording("b", Unreachable("no answer"))
    told = Told(tmp_path)
    told.add(events, ["a", "b"], NOW)
    tell(told, [refusing, silent], NOW)
    assert (refusing.got, refusing.asked) == (["3", "4", "5"], 2)
    assert (silent.got, silent.asked) == ([], 1)
    assert told.channels()["b"].waiting == 6


def test_a_channel_that_is_configured_later_is_not_told_of_the_past(tmp_path, event):
    told, new = Told(tmp_path), Recording("slack")
    told.add([event()], ["webhook"], NOW)
    told.add([event(), event(event_id="new")], ["webhook", "slack"], LATER)
    tell(told, [new], LATER)
    assert new.got == ["new"]


def test_what_somebody_is_sending_is_sent_by_nobody_else_until_it_seems_dead(tmp_path, event):
    told = Told(tmp_path)
    told.add([event()], ["webhook"], NOW)
    assert len(told.claim("webhook", NOW)) == 1
    assert Told(tmp_path).claim("webhook", NOW + timedelta(minutes=9)) == []
    assert len(Told(tmp_path).claim("webhook", NOW + timedelta(minutes=11))) == 1


def _claim(directory, barrier, queue):
    barrier.wait()
    queue.put(len(Told(directory).claim("webhook", NOW)))


def test_of_four_processes_at_once_one_gets_the_event(tmp_path, event):
    Told(tmp_path).add([event()], ["webhook"], NOW)
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_claim, args=(tmp_path, barrier, queue)) for _ in range(4)]
    for process in processes:
        process.start()
    counts = sorted(queue.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert counts == [0, 0, 0, 1]


def test_a_forgotten_event_is_told_anew(tmp_path, event):
    told, channel = Told(tmp_path), Recording("webhook")
    for _ in range(2):
        told.add([event()], ["webhook"], NOW)
        tell(told, [channel], NOW)
        told.forget([event().event_id])
    assert len(channel.got) == 2


def test_a_year_old_event_is_forgotten_so_that_the_file_stays_small(tmp_path, event):
    told = Told(tmp_path)
    told.add([event(event_id="old")], ["webhook"], NOW)
    told.add([event(event_id="new")], ["webhook"], NOW + timedelta(days=401))
    assert told.known(["old", "new"]) == {"new"}
    with sqlite3.connect(told.path) as con:
        assert con.execute("select count(*) from deliveries").fetchone() == (1,)


def test_a_damaged_file_says_so_and_nothing_is_sent(tmp_path, event):
    (tmp_path / "alerts.sqlite").write_bytes(b"this is no database, whatever its name says" * 100)
    channel = Recording("webhook")
    with pytest.raises(AlertError, match=r"alerts\.sqlite: what was told cannot be kept .* remove it"):
        tell(Told(tmp_path), [channel], NOW)
    assert channel.asked == 0
