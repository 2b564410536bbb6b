"""Every odd case has a test that exists, every test of an odd case is in the table, and the document says so."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("edge_cases", Path(__file__).with_name("edge_cases.py"))
edge_cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(edge_cases)
CASES = edge_cases.read_cases()


@pytest.mark.parametrize("one", CASES, ids=lambda one: one["case"])
def test_case_has_a_rule_and_tests_that_exist(one):
    assert one["rule"].endswith(".") and one["tests"]
    for test in one["tests"]:
        path, _, name = test.partition("::")
        assert name in edge_cases.tests_in(edge_cases.PROJECT / path), test


def test_every_test_of_an_edge_case_is_in_the_table():
    named = {test for one in CASES for test in one["tests"]}
    written = {
        f"{path.relative_to(edge_cases.PROJECT)}::{name}"
        for path in (edge_cases.PROJECT / "tests").rglob("test_edge_cases_*.py")
        if path != Path(__file__)
        for name in edge_cases.tests_in(path)
    }
    assert written and written <= named, written - named


def test_no_case_is_there_twice():
    assert len({one["case"] for one in CASES}) == len(CASES) == 29


def test_document_is_what_the_table_says():
    assert edge_cases.DOCUMENT.read_text(encoding="utf-8") == edge_cases.document(), (
        "python tests/unit/docs/edge_cases.py"
    )
