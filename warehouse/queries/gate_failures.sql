-- Which checks failed in the last runs?
--
-- Parameters:
--   runs (count, default 5): how many runs back.
-- Columns:
--   checked_at: when.
--   run_id: Dagster run.
--   check_name: the check.
--   asset_key: the table that was judged.
--   is_blocking: whether its failure stops the run.
--   failed_rows: rows not in order.
--   evaluated: rows judged.
--   details: what was found and what to do.
-- Reads: quality.check_results
-- How to read: The newest first, what blocks before what warns. A run that a gate stopped publishes nothing, so its
--   failures are in the release of the next run that succeeds; until then `rotation ui` shows them.
-- No rows: every check of those runs passed.
with runs as (
  select run_id
  from quality.check_results
  group by run_id
  order by max(checked_at) desc
  limit coalesce(cast(getvariable('runs') as integer), 5)
)

select
  results.checked_at,
  results.run_id,
  results.check_name,
  results.asset_key,
  results.is_blocking,
  results.failed_rows,
  results.evaluated,
  results.details
from quality.check_results as results
inner join runs on results.run_id = runs.run_id
where not results.passed
order by results.checked_at desc, results.is_blocking desc, results.check_name asc, results.asset_key asc;
