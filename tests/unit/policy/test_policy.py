"""The policy: defaults, overrides, errors that name the key, and the hash."""

import hashlib
import json
from fractions import Fraction as F

import pytest
from pydantic import ValidationError

from pipelines.policy import (
    Policy,
    PolicyError,
    load_policy,
    parse_policy,
    parse_weights,
    require_known_sectors,
)


def test_no_file_gives_the_defaults():
    policy = load_policy(None)
    assert policy == Policy()
    assert (policy.over.f, policy.limits.turnover_cap, policy.multipliers.TRIM) == (3.0, F(1, 4), F(5, 6))


def test_a_file_overrides_single_keys_and_keeps_the_rest(tmp_path):
    path = tmp_path / "policy.yml"
    path.write_text("limits: {turnover_cap: 1/10}\nover: {f: 4}\n")
    policy = load_policy(path)
    assert (policy.limits.turnover_cap, policy.over.f, policy.limits.band) == (F(1, 10), 4.0, F(1, 100))


def test_an_empty_file_is_the_defaults(tmp_path):
    (tmp_path / "policy.yml").write_text("# nothing changed\n")
    assert load_policy(tmp_path / "policy.yml") == Policy()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limits": {"turnover_cap": "3/2"}}, r"^limits\.turnover_cap: 3/2 is out of range; use a"),
        ({"limits": {"turnover_cap": 0.25}}, r'^limits\.turnover_cap: 0\.25 is not an exact .* "1/4"'),
        ({"limits": {"band": "1/0"}}, r"^limits\.band: '1/0' is not an exact fraction"),
        ({"limits": {"turnover": "1/4"}}, r"^limits\.turnover: is not a key of the policy; correct"),
        ({"limitz": {}}, r"^limitz: is not a key"),
        ({"over": {"stay_f": 3.5}}, r"^over\.stay_f: 3\.5 is stricter than f 3\.0"),
        ({"unstable": {"stay_rv_pct": 0.9}}, r"^unstable\.stay_rv_pct: 0\.9 is stricter"),
        ({"hedge": {"exit_f": 3.5}}, r"^hedge\.exit_f: 3\.5 is stricter than f"),
        ({"over": {"pct": 1.2}}, r"^over\.pct: 1\.2 cannot be used"),
        ({"over": {"f": float("nan")}}, r"^over\.f: nan cannot be used"),
        ({"over": {"f": True}}, r"^over\.f: True cannot be used"),
        ({"split": {"spot": "1/2"}}, r"^split\.spot: spot and futures sum to 7/10; make them sum to 1"),
        ({"actions": {"NO_DATA": "HOLD"}}, r"^actions\.NO_DATA: 'HOLD' cannot be used"),
        ({"multipliers": {"REDUCE": "4/5"}}, r"^multipliers\.REDUCE_AFTER_TRIM: after TRIM it leaves 3/4"),
        ({"hedge": {"leverage": 2}}, r"^hedge\.leverage: 2 cannot be used"),
        ({"decide": {"at": 615}}, r"^decide\.at: 615 cannot be used"),
        ({"limits": {"bad": 1}, "over": {"worse": 1}}, r"\(and 1 more\)$"),
        (["limits"], r"^policy: must be sections with keys"),
    ],
)
def test_a_wrong_key_is_named_with_the_remedy(given, message):
    with pytest.raises(PolicyError, match=message):
        parse_policy(given)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PolicyError, match=r"nowhere\.yml: cannot be read .*; check the path"):
        load_policy(tmp_path / "nowhere.yml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("over: {f: 3", "is not valid YAML at line"),
        ("over: {f: 3}\nover: {f: 4}\n", "over: given twice"),
        ("over: {f: x}\n", r"over\.f: 'x' cannot be used"),
    ],
)
def test_a_broken_file_is_named_with_the_place(tmp_path, text, message):
    (tmp_path / "mine.yml").write_text(text)
    with pytest.raises(PolicyError, match=f"mine.yml: .*{message}"):
        load_policy(tmp_path / "mine.yml")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "mine.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="is not UTF-8 text"):
        load_policy(tmp_path / "mine.yml")


def test_the_hash_is_of_sorted_json_without_spaces_and_fractions_in_lowest_terms():
    text = Policy().canonical_json()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert '"REDUCE":"3/4"' in text and '"recentre":"1"' in text
    assert Policy().canonical_hash() == hashlib.sha256(text.encode()).hexdigest()


def test_two_spellings_of_one_policy_have_one_hash_and_a_change_has_another():
    spelled = parse_policy({"limits": {"turnover_cap": "2/8"}, "over": {"f": 3}})
    assert spelled.canonical_hash() == Policy().canonical_hash()
    assert parse_policy({"over": {"f": 3.1}}).canonical_hash() != Policy().canonical_hash()


def test_a_policy_cannot_be_changed_after_loading():
    with pytest.raises(ValidationError, match="frozen"):
        Policy().over.f = 1.0


def test_a_window_needs_two_thirds_of_its_days_rounded_up():
    assert [Policy().windows.needed(days) for days in (3, 7, 14, 28, 90)] == [2, 5, 10, 19, 60]


def test_strategic_weights_are_exact():
    given = {"L1": "7/10", "DEFI": "0.3", "MEMES": 0}
    assert parse_weights(given) == {"L1": F(7, 10), "DEFI": F(3, 10), "MEMES": 0}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"L1": "3/10", "DEFI": "x"}, "strategic weight of DEFI: 'x' is not an exact fraction"),
        ({"L1": "11/10", "DEFI": "-1/10"}, "strategic weight of DEFI: -1/10 is negative"),
        ({"L1": "3/10", "DEFI": "6/10"}, r"the sum is 9/10, not 1 \(DEFI 3/5, L1 3/10\)"),
        ({}, "the sum is 0, not 1"),
    ],
)
def test_wrong_strategic_weights_name_the_sector(weights, message):
    with pytest.raises(PolicyError, match=message):
        parse_weights(weights)


def test_a_misspelt_sector_in_the_policy_is_not_ignored():
    policy = parse_policy({"expression": {"sectors": {"DEIF": {"reduce": "short_futures"}}}})
    with pytest.raises(PolicyError, match=r"sectors: no sector is called DEIF; use one of DEFI, L1"):
        require_known_sectors(policy, ["L1", "DEFI"])
    require_known_sectors(Policy(), ["MINE"])


def test_one_sector_can_be_expressed_differently():
    policy = parse_policy({"expression": {"sectors": {"L1": {"reduce": "split"}}}})
    assert policy.expression.reduce_for("L1") == "split"
    assert policy.expression.reduce_for("DEFI") == "sell_spot"
