-- How much was sold and bought in each sector a year, and how often was it cut?
--
-- Columns:
--   year: calendar year, UTC.
--   sector: sector.
--   nights: nights decided, the first allocation not counted.
--   cuts: nights on which it was sold because its state asked for it (REDUCE or TRIM).
--   raises: nights on which it was bought because its state asked for it (INCREASE).
--   sold_frac: sum of what was sold, as shares of the spot sleeve.
--   bought_frac: sum of what was bought, likewise.
--   sold_usd: what was sold, USD.
--   bought_usd: what was bought, USD.
-- Reads: portfolio.target_allocations
-- How to read: 0.30 sold is three tenths of the spot sleeve in a year. Costs are not in it. A year that has only begun
--   has fewer nights.
-- No rows: nothing was decided after the first allocation.
select
  year(as_of_date) as year,
  sector,
  count(*) as nights,
  count(*) filter (where action in ('REDUCE', 'TRIM') and delta_usd < 0) as cuts,
  count(*) filter (where action = 'INCREASE' and delta_usd > 0) as raises,
  sum(greatest(-delta_weight_frac, 0)) as sold_frac,
  sum(greatest(delta_weight_frac, 0)) as bought_frac,
  sum(greatest(-delta_usd, 0)) as sold_usd,
  sum(greatest(delta_usd, 0)) as bought_usd
from portfolio.target_allocations
where sector <> 'CASH' and not list_contains(reason_codes, 'INCEPTION')
group by year(as_of_date), sector
order by year(as_of_date), sector;
