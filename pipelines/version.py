"""Which code made a decision."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from pipelines.settings import PROJECT_ROOT


@cache
def package_version() -> str:
    """The installed version of the project."""
    try:
        return version("rotation")
    except PackageNotFoundError:
        return "0+unknown"


@cache
def git_sha() -> str | None:
    """Commit of the checkout, with `-dirty` where tracked files differ from it; None outside a checkout."""
    described = _git("rev-parse", "HEAD")
    if described is None:
        return None
    return described + ("-dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")


@cache
def code_version() -> str:
    """Package version and commit, as it stands on every decision."""
    sha = git_sha()
    return f"{package_version()}+{sha}" if sha else package_version()


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
