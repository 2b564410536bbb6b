-- Which sector does a reference sector run ahead of, and did that stop a purchase?
--
-- Parameters:
--   date (date, default the newest): UTC day that was decided.
-- Columns:
--   sector: sector.
--   reference_sector: sector that may stop a purchase (`spread.reference` of the policy).
--   spread_z: lead of the reference over 14 days as a z-score; positive: the reference runs ahead.
--   spread_change_14d_log: the lead itself, log.
--   spread_basis_log: spread of the futures minus that of spot, log.
--   state: confirmed state of the sector.
--   action: what is done, vetoes applied.
--   is_vetoed: the sector would have been raised and was not, because a reference runs ahead.
-- Reads: portfolio.sector_signals, marts.sector_spreads_daily
-- How to read: The largest lead is first. A veto turns INCREASE into HOLD and starts no trade.
-- No rows: no reference sector is compared with on that day.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(as_of_date)) as as_of_date
  from portfolio.sector_signals
),

compared as (
  select
    signals.as_of_date,
    signals.sector,
    signals.state,
    signals.action,
    signals.spread_z,
    list_contains(signals.reason_codes, 'SPREAD_VETO') as is_vetoed,
    unnest(json_keys(signals.spread_z)) as reference_sector
  from portfolio.sector_signals as signals
  inner join asked on signals.as_of_date = asked.as_of_date
)

select
  compared.sector,
  compared.reference_sector,
  cast(json_extract_string(compared.spread_z, '$."' || compared.reference_sector || '"') as double) as spread_z,
  spreads.spread_change_14d_log,
  spreads.spread_basis_log,
  compared.state,
  compared.action,
  compared.is_vetoed
from compared
left join marts.sector_spreads_daily as spreads
  on
    compared.as_of_date = spreads.date
    and compared.sector = spreads.sector
    and compared.reference_sector = spreads.reference_sector
order by spread_z desc nulls last, compared.sector asc nulls last, compared.reference_sector asc nulls last;
