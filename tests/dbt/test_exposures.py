"""Exposures: who reads the marts, held against the files that do; and dbt's documentation of it all as one page."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
MARTS = {path.stem for path in (PROJECT / "dbt" / "models" / "marts").glob("*.sql")}
EXPOSURES = yaml.safe_load((PROJECT / "dbt" / "models" / "exposures.yml").read_text(encoding="utf-8"))["exposures"]
every_exposure = pytest.mark.parametrize("exposure", EXPOSURES, ids=lambda exposure: exposure["name"])


def _files(exposure: dict) -> list[Path]:
    places = [PROJECT / name for name in exposure["config"]["meta"]["files"]]
    assert places and all(place.exists() for place in places), exposure["name"]
    return [file for place in places for file in (_texts(place) if place.is_dir() else [place])]


def _texts(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.suffix in (".py", ".sql")]


def _named(exposure: dict) -> set[str]:
    return {re.fullmatch(r"ref\('(\w+)'\)", reference)[1] for reference in exposure["depends_on"]}


@every_exposure
def test_exposure_has_an_owner_and_depends_on_the_marts_that_its_files_read(exposure):
    read = {
        name for file in _files(exposure) for name in re.findall(r"\bmarts\.(\w+)", file.read_text(encoding="utf-8"))
    }
    through = exposure["config"]["meta"].get("through")  # it reads what that exposure makes of the marts
    read |= {name for one in EXPOSURES if one["name"] == through for name in _named(one)}
    assert _named(exposure) == read & MARTS
    assert exposure["owner"]["name"] in {"data", "strategy"} and exposure["description"]


def test_every_reader_of_the_marts_that_people_see_is_an_exposure():
    names = {exposure["name"] for exposure in EXPOSURES}
    assert names >= {"nightly_decision", "nightly_report", "prepared_questions", "alerts"}


@pytest.fixture(scope="module")
def documentation(tmp_path_factory) -> str:
    place = PROJECT / "docs" / "site_builder" / "build.py"
    spec = importlib.util.spec_from_file_location("site_builder_for_dbt", place)
    builder = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = builder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROTATION_BUILD_PATH", "taken back at the end")
        patch.setenv("DAGSTER_HOME", str(tmp_path_factory.mktemp("home")))
        spec.loader.exec_module(builder)
        return builder.dbt_documentation(tmp_path_factory.mktemp("documentation"))


def test_the_page_shows_every_mart_with_the_types_of_its_columns_and_every_exposure(documentation):
    for name in MARTS:
        assert f'"model.rotation.{name}"' in documentation
    for exposure in EXPOSURES:
        assert f'"exposure.rotation.{exposure["name"]}"' in documentation
    catalogue = documentation[documentation.index("dbt/catalog/") :]
    found = re.search(r'"funding_8h_bps": (\{.*?\})', catalogue)
    assert json.loads(found[1])["type"] == "DOUBLE"


def test_the_page_may_ask_nobody(documentation):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', documentation)[1]
    assert "default-src &#x27;none&#x27;" in policy and "http" not in policy
    assert documentation.index(policy) < documentation.index("<script")
    outside = re.findall(r"""<(?:script|img|iframe)[^>]+src=["']?https?:|<link[^>]+href=["']?https?:""", documentation)
    assert outside == []
