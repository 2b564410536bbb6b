"""The dbt project as assets: one call of dbt a run builds and tests staging, intermediate models and marts."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from pipelines.partitions import partition_days
from pipelines.progress import report
from pipelines.resources import PipelineWarehouse, RunSettings
from pipelines.settings import DBT_DIRECTORY, give_dbt
from pipelines.transform.metadata import column_lineage, column_schema, shown
from pipelines.transform.project import build_arguments, dbt_executable, manifest_path


class ModelNames(DagsterDbtTranslator):
    """Assets are named and grouped by where their table stands in the warehouse."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`schema/table`; a source has the key of the asset that fills it."""
        if dbt_resource_props["resource_type"] in ("model", "seed"):
            return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])
        return super().get_asset_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The schema: staging, intermediate, marts or seeds."""
        return dbt_resource_props["schema"]

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """The columns with types and meanings, and where they come from."""
        metadata = dict(super().get_metadata(dbt_resource_props))
        if dbt_resource_props["resource_type"] in ("model", "seed"):
            table = f"{dbt_resource_props['schema']}.{dbt_resource_props['name']}"
            metadata["dagster/column_schema"] = column_schema(table, dbt_resource_props["columns"])
            metadata["dagster/column_lineage"] = column_lineage(table)
        return metadata

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """One team owns the SQL."""
        return ["team:data"]


@dbt_assets(
    name="marts", manifest=manifest_path(), dagster_dbt_translator=ModelNames(), exclude="resource_type:unit_test"
)
def dbt_models(context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse) -> Iterator[Any]:
    """Raw facts to marts, with every contract and test of the dbt project."""
    report("marts", "dbt build")
    dbt = DbtCliResource(
        project_dir=str(DBT_DIRECTORY), profiles_dir=str(DBT_DIRECTORY), dbt_executable=dbt_executable()
    )
    give_dbt(warehouse.files.build_path)
    _, last_day = partition_days(context)
    effective = settings.load_effective()
    arguments = build_arguments(effective.policy, last_day, effective.strategic_weights)
    invocation = dbt.cli(arguments, context=context)
    events: list[Any] = []
    failure = None
    try:
        for event in invocation.stream():
            events.append(event)
            report("marts", "dbt build", len(events))
    except Exception as error:
        failure = error
    yield from shown(events, invocation, warehouse.files, last_day)
    if failure is not None:
        raise failure


ASSETS = [dbt_models]
