"""How a result is shown on an asset in the Dagster UI."""

import dagster as dg
import polars as pl

PREVIEW_ROWS = 20


def preview(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """The first rows of a frame as a Markdown table; numbers are shortened, the stored ones are not."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in frame.head(PREVIEW_ROWS).iter_rows()]
    if frame.height > PREVIEW_ROWS:
        lines.append(f"\n{frame.height - PREVIEW_ROWS} more rows")
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).replace("|", "\\|")
