"""Writes docs/gates.md: what every gate means and what to do when it closes.

The page is made from the suites, so it cannot say anything else than what is checked:
`python -m expectations.gates` writes it, and a test fails when it is out of date.
"""

from datetime import date, datetime
from pathlib import Path

from expectations.model import Check, Parameters, Question
from expectations.release import DAILY_MARTS
from expectations.rules import CONFLICTING_DUPLICATE, CONFLICTING_DUPLICATE_MEANING, row_rules
from expectations.suites import SUITES
from warehouse.contracts import FACTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "gates.md"

_INTRODUCTION = """\
# Gates

Data passes three gates. This page is made from the code by `python -m expectations.gates`.

1. **Quarantine**, row by row, before anything is stored: a row that breaks a rule is kept in `raw.quarantine` with
   the rule's name, and the run goes on.
2. **Border**, after ingestion: are the rows of this run fit to be calculated with?
3. **Release**, before publication: are the marts and the plan complete, consistent and exact?

A gate that *blocks* ends the run: nothing is published, and readers keep yesterday's release. One that *warns* is
written down and the run goes on. Every result stands in `quality.check_results`, with an example of a failing row:

```sql
select check_name, asset_key, failed_rows, evaluated, details
from quality.check_results where not passed order by is_blocking desc, checked_at desc;
```

The numbers are the defaults; a policy file may change them.
"""
_TITLES = {"border": "Border: after ingestion", "release": "Release: before publication"}
_SAMPLE = Parameters(
    as_of_date=date(2026, 1, 1),
    since=datetime(2026, 1, 2),
    now=datetime(2026, 1, 2),
    run_id="run",
    source="live",
    last_row_counts=dict.fromkeys(DAILY_MARTS, 1),
)


def gates_markdown() -> str:
    """The page as text."""
    parts = [_INTRODUCTION, "## Quarantine: row by row", ""]
    parts += ["| Table | Rule | A row that breaks it |", "|---|---|---|"]
    for table in FACTS:
        parts += [f"| `{table.qualified_name}` | `{r.name}` | {r.meaning} |" for r in row_rules(table.name)]
    parts += [f"| all | `{CONFLICTING_DUPLICATE}` | {CONFLICTING_DUPLICATE_MEANING} |", ""]
    rule_names = {(table.qualified_name, rule.name) for table in FACTS for rule in row_rules(table.name)}
    for name, questions in SUITES.items():
        parts += [f"## {_TITLES[name]}", ""]
        if name == "border":
            parts += ["The row rules above are tested once more, on what was stored; each of them blocks.", ""]
        parts += ["| Table | Check | Effect | What a failure means | What to do |", "|---|---|---|---|---|"]
        rows: dict[str, list[str]] = {}
        for question in questions(_SAMPLE):
            for check in question.checks:
                if (question.asset_key, check.name) not in rule_names:
                    rows.setdefault(_row(check), []).append(question.asset_key)
        parts += [row.format(tables=", ".join(f"`{key}`" for key in keys)) for row, keys in rows.items()]
        parts.append("")
    return "\n".join(parts)


def _row(check: Check) -> str:
    effect = "blocks" if check.is_blocking else "warns"
    return f"| {{tables}} | `{check.name}` | {effect} | {check.meaning} | {check.remedy} |"


def all_questions() -> list[Question]:
    """Every question of every suite, for a made-up run: what the page and the tests of the gates go through."""
    return [question for questions in SUITES.values() for question in questions(_SAMPLE)]


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(gates_markdown(), encoding="utf-8")
