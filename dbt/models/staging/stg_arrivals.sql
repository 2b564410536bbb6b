select
  'candles' as dataset,
  exchange,
  symbol,
  opened_at as event_at,
  ingested_at
from {{ source('raw', 'spot_ohlcv') }}
union all
select
  'candles' as dataset,
  exchange,
  symbol,
  opened_at as event_at,
  ingested_at
from {{ source('raw', 'futures_ohlcv') }}
union all
select
  'funding' as dataset,
  exchange,
  symbol,
  {{ day_ending_at('settled_at') }} as event_at,
  ingested_at
from {{ source('raw', 'funding_rates') }}
union all
select
  'open_interest' as dataset,
  exchange,
  symbol,
  observed_at as event_at,
  ingested_at
from {{ source('raw', 'open_interest') }}
