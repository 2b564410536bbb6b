"""The report of a real run: made from its release, by the asset and by the command."""

import shutil
from datetime import timedelta

import dagster as dg

from pipelines.policy import Policy
from pipelines.publish.report_asset import REPORT_KEY, nightly_report
from pipelines.report.data import read_night
from pipelines.report.files import write_report
from pipelines.resources import PipelineWarehouse, RunSettings
from warehouse.connection import Warehouse


def test_the_page_says_what_the_release_says(small_release, tmp_path, market_days):
    directory = shutil.copytree(small_release, tmp_path / "warehouse", symlinks=True)
    warehouse = Warehouse(directory)
    written = write_report(warehouse, Policy())
    assert written.day == market_days[1] - timedelta(days=2)
    html = written.page.read_text(encoding="utf-8")
    with warehouse.open_release() as con:
        night = read_night(con, None, Policy().spread.reference)
    assert night.sectors
    assert all(f">{name}<" in html for name in night.sectors)
    assert night.decision["decision_id"] in html
    assert "RECORDED MARKET" in html
    assert len(html.encode()) < 3_000_000
    with warehouse.open_release() as con:
        nights = con.execute("select count(distinct as_of_date) from portfolio.decisions").fetchone()[0]
    assert f">{nights} nights<" in written.index.read_text(encoding="utf-8")


def test_the_asset_comes_after_the_release_and_links_the_page(small_release, tmp_path, monkeypatch):
    directory = shutil.copytree(small_release, tmp_path / "warehouse", symlinks=True)
    monkeypatch.setenv("WAREHOUSE_DIR", str(directory))
    assert nightly_report.asset_deps[REPORT_KEY] == {dg.AssetKey(["publish", "release"])}
    result = dg.materialize([nightly_report], resources={"settings": RunSettings(), "warehouse": PipelineWarehouse()})
    (event,) = result.asset_materializations_for_node("publish__report")
    path = event.metadata["path"].value
    assert path.startswith(str(directory / "reports"))
    assert event.metadata["page"].value == f"file://{path}"
    assert (directory / "reports" / "index.html").is_file()
