"""Which requests a fault meets, and what it does to the answer."""

import json
from typing import Any, get_args

import pytest

from pipelines.local_exchange.faults import (
    BadFaults,
    FaultKind,
    FaultRule,
    Faults,
    parse_faults,
    read_faults,
    spoil,
)
from pipelines.local_exchange.row_faults import ROW_FAULTS
from pipelines.local_exchange.wire import Reply, dumps

HOST, PATH = "fapi.binance.com", "/fapi/v1/klines?symbol=BTCUSDT"


def spoilt(rule: dict[str, Any], requests: int = 5, host: str = HOST, path: str = PATH) -> list[int]:
    """The numbers, from 1, of the requests that the rule spoils."""
    faults = Faults([FaultRule(kind="server_error", **rule)])
    return [number for number in range(1, requests + 1) if faults.rule_for(host, path)]


def test_a_rule_without_conditions_spoils_every_request() -> None:
    assert spoilt({}) == [1, 2, 3, 4, 5]


def test_the_nth_and_the_first_requests_are_counted_among_those_that_match() -> None:
    assert spoilt({"nth": 3}) == [3] and spoilt({"first": 2}) == [1, 2]
    faults = Faults([FaultRule(kind="server_error", path="ETHUSDT", nth=1)])
    assert faults.rule_for(HOST, PATH) is None
    assert faults.rule_for(HOST, "/fapi/v1/klines?symbol=ETHUSDT") is not None


def test_exchange_host_and_path_must_all_match() -> None:
    assert spoilt({"exchange": "binance", "host": "^fapi", "path": r"/klines\?.*BTC"}) == [1, 2, 3, 4, 5]
    assert spoilt({"exchange": "bybit"}) == spoilt({"host": "^dapi"}) == spoilt({"path": "fundingRate"}) == []


def test_a_share_of_the_requests_is_drawn_by_the_seed_alone() -> None:
    drawn = spoilt({"probability": 0.5, "seed": 1}, 1000)
    assert drawn == spoilt({"probability": 0.5, "seed": 1}, 1000) != spoilt({"probability": 0.5, "seed": 2}, 1000)
    assert 400 < len(drawn) < 600


def test_the_first_rule_that_spoils_wins_and_the_report_counts() -> None:
    faults = Faults([FaultRule(kind="banned", nth=2), FaultRule(kind="hang")])
    assert [faults.rule_for(HOST, PATH).kind for _ in range(3)] == ["hang", "banned", "hang"]
    counts = [(row["met"], row["spoilt"]) for row in faults.report()]
    assert counts == [(3, 1), (2, 2)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", r'expected \{"faults"'),
        ("[]", r'expected \{"faults"'),
        ('{"faults": [{"kind": "none"}]}', "kind"),
        ('{"faults": [{"kind": "hang", "hosts": "x"}]}', "hosts"),
        ('{"faults": [{"kind": "hang", "path": "("}]}', "not a regular expression"),
        ('{"faults": [{"kind": "hang", "nth": 1, "first": 2}]}', "nth and first exclude one another"),
        ('{"faults": [{"kind": "status"}]}', "`status` is needed by"),
        ('{"faults": [{"kind": "hang", "status": 500}]}', "belongs to, the kind `status`"),
    ],
)
def test_rules_that_cannot_be_used_are_refused_by_name(content: str, message: str) -> None:
    with pytest.raises(BadFaults, match=message) as refusal:
        parse_faults(content, "faults.json")
    assert str(refusal.value).startswith("faults.json: ")


def test_a_fault_file_that_is_not_there_is_named(tmp_path: Any) -> None:
    with pytest.raises(BadFaults, match=r"none\.json: cannot be read"):
        read_faults(tmp_path / "none.json")


def test_http_faults_have_the_status_and_the_headers_of_the_exchanges() -> None:
    answers = {kind: spoil(FaultRule(kind=kind), Reply(b"[]")) for kind in ("rate_limited", "banned", "geo_blocked")}
    assert [answer.status for answer in answers.values()] == [429, 418, 451]
    assert answers["rate_limited"].headers["Retry-After"] == "1"
    assert json.loads(answers["geo_blocked"].body)["code"] == 0
    forbidden = spoil(FaultRule(kind="forbidden_html"), Reply(b"[]"))
    assert forbidden.status == 403 and b"CloudFront" in forbidden.body and forbidden.content_type == "text/html"
    worded = {name: spoil(FaultRule(kind="rate_limited"), Reply(b"[]"), name) for name in ("okx", "bitget")}
    assert {name: (answer.status, json.loads(answer.body)["code"]) for name, answer in worded.items()} == {
        "okx": (429, "50011"), "bitget": (429, "429"),
    }  # fmt: skip
    own = spoil(FaultRule(kind="status", status=503, body="busy", headers={"X": "1"}), Reply(b"[]"))
    assert (own.status, own.body, own.headers) == (503, b"busy", {"X": "1"})


def test_bodies_are_emptied_cut_and_replaced_by_a_page() -> None:
    whole = Reply(b'[[1,"2"],[3,"4"]]', rows=2)
    assert spoil(FaultRule(kind="empty_body"), whole).body == b""
    with pytest.raises(json.JSONDecodeError):
        json.loads(spoil(FaultRule(kind="truncated_json"), whole).body)
    page = spoil(FaultRule(kind="html_page"), whole)
    assert page.status == 200 and page.body.startswith(b"<html>")


def binance_candles() -> Reply:
    hours = [hour * 3_600_000 for hour in range(3)]
    prices, rest = ["1.0", "2.0", "0.5", "1.5", "9.0"], ["9.0", 0, "0", "0", "0"]
    return Reply(dumps([[hour, *prices, hour + 3_599_999, *rest] for hour in hours]), rows=3)


def bybit_candles() -> Reply:
    rows = [[str(hour * 3_600_000), "1.0", "2.0", "0.5", "1.5", "9.0", "13.5"] for hour in range(3)]
    return Reply(dumps({"retCode": 0, "result": {"list": rows}}), rows=3)


def spoilt_rows(kind: str, reply: Reply) -> list:
    content = json.loads(spoil(FaultRule(kind=kind), reply).body)
    return content["result"]["list"] if isinstance(content, dict) else content


@pytest.mark.parametrize("reply", [binance_candles(), bybit_candles()])
def test_row_faults_of_candles_spoil_the_middle_row(reply: Reply) -> None:
    assert [row[4] for row in spoilt_rows("nan_price", reply)] == ["1.5", "NaN", "1.5"]
    assert spoilt_rows("negative_price", reply)[1][1:5] == ["-1.0", "-2.0", "-0.5", "-1.5"]
    duplicated = spoilt_rows("duplicate_rows", reply)
    assert len(duplicated) == 4 and duplicated[1] == duplicated[2]
    conflicting = spoilt_rows("conflicting_rows", reply)
    assert conflicting[1][0] == conflicting[2][0] and conflicting[1][4] != conflicting[2][4]
    assert spoilt_rows("zero_open_interest", reply) == spoilt_rows("zero_open_interest", reply)[:3]


def test_microseconds_replace_milliseconds_and_leave_the_turnover_alone() -> None:
    binance, bybit = (spoilt_rows("microsecond_timestamps", reply) for reply in (binance_candles(), bybit_candles()))
    assert binance[1][0] == 3_600_000_000 and binance[1][6] == 7_199_999_000
    assert bybit[1][0] == "3600000000" and bybit[1][6] == "13.5"


def test_a_closing_time_is_told_from_a_volume_by_its_distance_from_the_opening() -> None:
    hour = 3_600_000
    closing, next_opening = [hour, 1, 2, 0.5, 1.5, 9, 2 * hour - 1, 13.5], [hour, 1, 2, 0.5, 1.5, 9, 2 * hour, 13.5]
    volume, none = [hour, 1, 2, 0.5, 1.5, 9, 1.5 * hour + 7, 13.5], [hour, 1, 2, 0.5, 1.5, 9, None, 13.5]
    for row, cell in ((closing, 7_199_999_000), (next_opening, 7_200_000_000), (volume, 5_400_007.0), (none, None)):
        (spoilt,) = spoilt_rows("microsecond_timestamps", Reply(dumps([row]), rows=1))
        assert (spoilt[0], spoilt[6]) == (3_600_000_000, cell)


def test_rows_of_open_interest_in_a_list_have_no_price_to_spoil() -> None:
    row = ["3600000", "5", "6", "7"]  # OKX: time, contracts, coins, USD
    reply = Reply(dumps([row]), rows=1)
    assert spoilt_rows("negative_price", reply) == spoilt_rows("nan_price", reply) == [row]
    assert spoilt_rows("zero_open_interest", reply) == [["3600000", "0", "0", "0"]]
    first, second = spoilt_rows("conflicting_rows", reply)
    assert first[0] == second[0] and first[1] != second[1]


def test_open_interest_becomes_zero_wherever_it_is_known() -> None:
    history = Reply(dumps([{"sumOpenInterest": "5", "sumOpenInterestValue": "9", "timestamp": 1}]), rows=1)
    single = Reply(dumps({"symbol": "BTCUSDT", "openInterest": "5", "time": 1}), rows=1)
    assert spoilt_rows("zero_open_interest", history)[0]["sumOpenInterestValue"] == "0"
    assert json.loads(spoil(FaultRule(kind="zero_open_interest"), single).body)["openInterest"] == "0"


def test_funding_rows_are_copied_with_another_rate() -> None:
    rows = [{"symbol": "BTCUSDT", "fundingTime": 1, "fundingRate": "0.0001"}]
    first, second = spoilt_rows("conflicting_rows", Reply(dumps(rows), rows=1))
    assert first["fundingTime"] == second["fundingTime"] and first["fundingRate"] != second["fundingRate"]


@pytest.mark.parametrize("kind", list(ROW_FAULTS))
def test_a_reply_without_rows_is_left_as_it_is(kind: str) -> None:
    refusal = Reply(b'{"code":-1121,"msg":"Invalid symbol."}', 400)
    assert spoil(FaultRule(kind=kind), refusal) == refusal and kind in get_args(FaultKind)
