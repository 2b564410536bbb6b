{{ config(materialized='view') }}

select
  asset,
  valid_from,
  valid_to,
  sector,
  reason
from {{ ref('asset_sectors') }}
