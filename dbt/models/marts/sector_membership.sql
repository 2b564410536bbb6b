select
  asset,
  valid_from,
  sector,
  valid_to,
  reason
from {{ ref('int_sector_membership') }}
