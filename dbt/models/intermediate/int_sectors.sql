{{ config(materialized='view') }}

select
  sector,
  name,
  {{ strategic_weight() }} as strategic_weight_exact,
  {{ fraction_value(strategic_weight()) }} as strategic_weight_frac,
  description
from {{ ref('sectors') }}
