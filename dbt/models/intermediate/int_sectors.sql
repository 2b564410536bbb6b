{{ config(materialized='view') }}

select
  sector,
  name,
  strategic_weight_exact,
  {{ fraction_value('strategic_weight_exact') }} as strategic_weight_frac,
  description
from {{ ref('sectors') }}
