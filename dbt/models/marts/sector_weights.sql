select
  sector,
  strategic_weight_exact,
  strategic_weight_frac,
  name,
  description
from {{ ref('int_sectors') }}
