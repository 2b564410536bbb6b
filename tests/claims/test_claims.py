"""Every claim of the article has a test or a reason, every test that is named is run, and the page says the same."""

import ast
import re

import pytest

from tests.claims.claim_table import DOCUMENT, VERDICTS, _python_tests, claims, known_tests, page

CLAIMS = claims()
every_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)


def test_there_is_every_claim_once_and_in_order():
    assert [claim.name for claim in CLAIMS] == [f"S{number}" for number in range(1, 97)]


@every_claim
def test_a_claim_has_a_test_or_a_reason(claim):
    assert claim.claim and claim.verdict in VERDICTS
    assert claim.tests or claim.reason, f"{claim.name} has neither a test nor a reason"
    assert claim.product or claim.reason, f"{claim.name} does not say what became of it"
    if claim.verdict in ("built", "resolved", "corrected"):
        assert claim.tests and claim.product, f"{claim.name} is said to be built, and nothing shows it"
    else:
        assert claim.reason, f"{claim.name} is not built, and does not say why"


@every_claim
def test_every_test_of_a_claim_exists_and_is_run(claim):
    wrong = {name: known_tests().get(name, 0) for name in claim.tests if known_tests().get(name) != 1}
    assert wrong == {}, f"{claim.name} names tests that do not exist, are always skipped, or exist twice"
    assert len(set(claim.tests)) == len(claim.tests)


def test_a_test_named_for_a_claim_shows_that_claim():
    """A test called `test_s47_...` belongs to S47, and is named there."""
    named = {(claim.name, test) for claim in CLAIMS for test in claim.tests}
    forgotten = [
        (number, test)
        for test in known_tests()
        for number in re.findall(r"(?:^|_)s(\d+)(?=_)", test.partition("::")[2].removeprefix("test"))
        if test.startswith("test_claims_") and (f"S{number}", test) not in named
    ]
    assert forgotten == []


def test_a_test_that_is_always_skipped_is_no_test(tmp_path):
    path = tmp_path / "test_some.py"
    path.write_text(
        "import pytest\nLATER = pytest.mark.skip(reason='later')\nONLY = pytest.mark.skipif(False, reason='')\n"
        "@LATER\ndef test_a(): ...\n@pytest.mark.skip\ndef test_b(): ...\n@ONLY\ndef test_c(): ...\n"
        "def helper(): ...\nasync def test_d(): ...\n"
    )
    assert list(_python_tests(path)) == ["test_some::test_c", "test_some::test_d"]
    assert ast.parse(path.read_text())


def test_the_page_is_what_the_registry_gives():
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "If this is meant: python -m tests.claims.claim_table"
