-- How often was each state followed by a fall, and what was the median return after it?
--
-- Parameters:
--   days (count, default 14): return over how many days after the day of the state.
--   fall (number, default 0.05): a fall is a loss of at least this, decimal.
-- Columns:
--   state: confirmed state.
--   n: days of all sectors in that state.
--   episodes: how often a sector came into it; days of one episode are not independent of one another.
--   n_known: days whose return afterwards is known; the statistics are of these.
--   falls: how many of them were followed by a fall.
--   falls_frac: their share.
--   median_return_frac: median spot return of the sector afterwards, decimal.
--   worst_return_frac: the lowest.
-- Reads: portfolio.sector_signals, marts.sector_open_interest_daily
-- How to read: A count of what was, and no claim. The windows overlap, so n is much larger than the number of
--   independent cases, and sectors move together. On a simulated market it is a property of the simulation.
with asked as (
  select
    coalesce(cast(getvariable('days') as integer), 14) as days,
    coalesce(cast(getvariable('fall') as double), 0.05) as fall_frac
),

stated as (
  select
    signals.as_of_date,
    signals.sector,
    signals.state,
    lag(signals.state) over (partition by signals.sector order by signals.as_of_date) as state_before
  from portfolio.sector_signals as signals
),

followed as (
  select
    stated.state,
    coalesce(stated.state <> stated.state_before, true) as is_entry,
    later.spot_price_index / nullif(today.spot_price_index, 0) - 1 as return_frac,
    asked.fall_frac
  from stated
  cross join asked
  left join marts.sector_open_interest_daily as today
    on stated.sector = today.sector and stated.as_of_date = today.date
  left join marts.sector_open_interest_daily as later
    on stated.sector = later.sector and later.date = stated.as_of_date + asked.days
)

select
  state,
  count(*) as n,
  count(*) filter (where is_entry) as episodes,
  count(return_frac) as n_known,
  count(*) filter (where return_frac <= -fall_frac) as falls,
  count(*) filter (where return_frac <= -fall_frac) / nullif(count(return_frac), 0) as falls_frac,
  median(return_frac) as median_return_frac,
  min(return_frac) as worst_return_frac
from followed
group by state
order by n desc, state asc;
