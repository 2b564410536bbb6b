-- Which releases were published, and what were they made from?
--
-- Parameters:
--   top (count, default 20): how many, the newest first.
-- Columns:
--   release_id: number and day; sorts in the order of publication.
--   published_at: when, UTC.
--   as_of_date: last day decided in it.
--   source: `simulated`, `recorded` or `live`.
--   checks_passed: checks that had passed.
--   is_policy_changed: another policy than in the release before; NULL where one of them is unknown.
--   is_this_one: the release that answers.
-- Reads: quality.release_log, quality.release_info
-- How to read: After a rollback the release that answers is not the newest.
with logged as (
  select
    release_id,
    published_at,
    as_of_date,
    source,
    checks_passed,
    policy_hash <> lag(policy_hash) over (order by release_id) as is_policy_changed
  from quality.release_log
)

select
  logged.release_id,
  logged.published_at,
  logged.as_of_date,
  logged.source,
  logged.checks_passed,
  logged.is_policy_changed,
  info.release_id is not null as is_this_one
from logged
left join quality.release_info as info on logged.release_id = info.release_id
order by logged.release_id desc
limit coalesce(cast(getvariable('top') as integer), 20);
