"""The night's page beside its release, for whoever decides in the morning."""

import dagster as dg

from pipelines.progress import report
from pipelines.report.files import write_report
from pipelines.resources import PipelineWarehouse, RunSettings

REPORT_KEY = dg.AssetKey(["publish", "report"])


@dg.asset(
    key=REPORT_KEY,
    group_name="publish",
    kinds={"html"},
    owners=["team:strategy"],
    deps=[dg.AssetKey(["publish", "release"])],
)
def nightly_report(settings: RunSettings, warehouse: PipelineWarehouse) -> dg.MaterializeResult:
    """The decision as one self-contained HTML page, and the index over all nights.

    Grain: one page per night, of the release's newest day. It is made from the release, so a night that a gate
    stopped has none; if it cannot be written, the release stays where it is.
    """
    if not settings.load().publish.report:
        return dg.MaterializeResult(metadata={"left_out": "publish.report is false"})
    report("report", "writing the page")
    written = write_report(warehouse.files, settings.load_policy())
    report("report", str(written.page))
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.url(written.page.resolve().as_uri()),
            "path": dg.MetadataValue.path(str(written.page)),
            "index": dg.MetadataValue.path(str(written.index)),
            "as_of_date": str(written.day),
            "release_id": written.release_id,
            "bytes": written.page.stat().st_size,
        }
    )


ASSETS = [nightly_report]
