select
  'candles' as dataset,
  exchange,
  symbol,
  opened_at as event_at,
  ingested_at
from {{ source('raw', 'spot_ohlcv') }}
where {{ is_known() }}
union all
select
  case when price_type = 'last' then 'candles' else 'marks' end as dataset,
  exchange,
  symbol,
  opened_at as event_at,
  ingested_at
from {{ source('raw', 'futures_ohlcv') }}
where {{ is_known() }}
union all
select
  'funding' as dataset,
  exchange,
  symbol,
  {{ day_ending_at('settled_at') }} as event_at,
  ingested_at
from {{ source('raw', 'funding_rates') }}
where {{ is_known() }}
union all
select
  'open_interest' as dataset,
  exchange,
  symbol,
  observed_at as event_at,
  ingested_at
from {{ source('raw', 'open_interest') }}
where {{ is_known() }}
union all
select
  'instruments' as dataset,
  exchange,
  symbol,
  ingested_at as event_at,
  ingested_at
from {{ source('raw', 'instruments') }}
where {{ is_known() }}
