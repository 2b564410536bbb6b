with spreads as (
  select
    sectors.date,
    sectors.sector,
    reference_sectors.sector as reference_sector,
    ln(reference_sectors.futures_price_index / sectors.futures_price_index) as spread_futures_log,
    ln(reference_sectors.spot_price_index / sectors.spot_price_index) as spread_spot_log
  from {{ ref('int_sector_daily') }} as sectors
  inner join {{ ref('int_sector_daily') }} as reference_sectors
    on sectors.date = reference_sectors.date and sectors.sector <> reference_sectors.sector
),

changes as (
  select
    *,
    spread_futures_log
    - {{ days_ago('spread_futures_log', 'sector, reference_sector', var('windows_spread')) }} as change_log
  from spreads
)

select
  date,
  sector,
  reference_sector,
  spread_futures_log,
  spread_spot_log,
  spread_futures_log - spread_spot_log as spread_basis_log,
  {{ rounded('change_log') }} as spread_change_14d_log,
  {{ z_score_before(
    'change_log', 'sector, reference_sector', var('windows_baseline'), var('metrics_spread_z_floor')
  ) }} as spread_z_90d
from changes
