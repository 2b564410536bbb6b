"""The dbt project as this pipeline runs it: where it lies, its manifest and its command line."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from pathlib import Path

from pipelines.policy import Policy
from pipelines.settings import DBT_DIRECTORY
from pipelines.transform.variables import dbt_vars

MANIFEST = DBT_DIRECTORY / "target" / "manifest.json"
_SOURCES = ("models", "macros", "seeds", "tests")


def manifest_path() -> Path:
    """The manifest that names every model; made again when a file of the project is newer (some seconds).

    Raises:
        RuntimeError: dbt cannot read the project; the message ends with dbt's own words.
    """
    if not MANIFEST.exists() or MANIFEST.stat().st_mtime < _newest_source():
        _parse()
    return MANIFEST


def _parse() -> None:
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may find it missing at once: each makes its own, and none ever reads half of one.
    with tempfile.TemporaryDirectory(dir=MANIFEST.parent, prefix="parse-") as folder:
        parsed = subprocess.run(
            [dbt_executable(), "parse", *_directories(), "--quiet", "--target-path", folder],
            capture_output=True,
            text=True,
        )
        if parsed.returncode:
            raise RuntimeError(f"dbt cannot read its project:\n{(parsed.stdout + parsed.stderr).strip()[-2000:]}")
        for name in ("partial_parse.msgpack", MANIFEST.name):
            made = Path(folder) / name
            made.touch()
            made.replace(MANIFEST.parent / name)


def dbt_executable() -> str:
    """The dbt of this very environment, whatever the PATH says."""
    return str(Path(sys.executable).parent / "dbt")


def build_arguments(
    policy: Policy, as_of_date: date, strategic_weights: Mapping[str, Fraction] | None = None
) -> list[str]:
    """`dbt build` with the policy's numbers, up to a day; unit tests belong to the test suite, not to a night.

    Args:
        policy: The resolved policy.
        as_of_date: Last day of the marts.
        strategic_weights: The portfolio's own, exact; None: those of the seed.
    """
    variables = json.dumps(
        dbt_vars(policy, as_of_date, macros_sha256=_macros_sha256(), strategic_weights=strategic_weights),
        sort_keys=True,
    )
    return ["build", "--exclude-resource-type", "unit_test", "--vars", variables]


def _macros_sha256() -> str:
    digest = hashlib.sha256()
    for path in sorted((DBT_DIRECTORY / "macros").rglob("*.sql")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _newest_source() -> float:
    files = [DBT_DIRECTORY / "dbt_project.yml", DBT_DIRECTORY / "profiles.yml"]
    files += [path for name in _SOURCES for path in (DBT_DIRECTORY / name).rglob("*") if path.is_file()]
    return max(path.stat().st_mtime for path in files if path.exists())


def _directories() -> list[str]:
    return ["--project-dir", str(DBT_DIRECTORY), "--profiles-dir", str(DBT_DIRECTORY)]
