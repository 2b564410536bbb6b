select
  sum(row_count) as loaded_rows,
  max(newest_at) as loaded_until_at
from (
  select
    count(*) as row_count,
    max(ingested_at) as newest_at
  from {{ source('raw', 'instruments') }}
  where {{ is_known() }}
  union all
  select
    count(*) as row_count,
    max(ingested_at) as newest_at
  from {{ source('raw', 'spot_ohlcv') }}
  where {{ is_known() }}
  union all
  select
    count(*) as row_count,
    max(ingested_at) as newest_at
  from {{ source('raw', 'futures_ohlcv') }}
  where {{ is_known() }}
  union all
  select
    count(*) as row_count,
    max(ingested_at) as newest_at
  from {{ source('raw', 'funding_rates') }}
  where {{ is_known() }}
  union all
  select
    count(*) as row_count,
    max(ingested_at) as newest_at
  from {{ source('raw', 'open_interest') }}
  where {{ is_known() }}
) as tables
