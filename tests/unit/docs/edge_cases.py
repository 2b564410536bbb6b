"""The table of `docs/edge-cases.md`, made from `tests/edge_cases.yml`; run as a program it writes the document."""

import ast
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[3]
DOCUMENT = PROJECT / "docs" / "edge-cases.md"
_HEAD = """# Edge cases

What becomes of the odd cases, and which test holds the program to it. Written from `tests/edge_cases.yml` by
`.venv/bin/python tests/unit/docs/edge_cases.py`; a case without a test, or with one that does not exist, fails.

| case | rule | tests |
|---|---|---|
"""


def read_cases() -> list[dict]:
    """The cases in their order: `case`, `rule` and `tests`."""
    return yaml.safe_load((PROJECT / "tests" / "edge_cases.yml").read_text(encoding="utf-8"))


def tests_in(path: Path) -> set[str]:
    """Names of the tests that a file defines."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def document() -> str:
    """The whole document."""
    rows = []
    for one in read_cases():
        names = [test.split("::") for test in one["tests"]]
        tests = "<br>".join(f"`{path}`: {name.removeprefix('test_').replace('_', ' ')}" for path, name in names)
        rows.append(f"| {one['case']} | {one['rule']} | {tests} |")
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
