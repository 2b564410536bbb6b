select
  exchange,
  symbol,
  settled_at,
  funding_rate,
  interval_hours,
  ingested_at
from {{ source('raw', 'funding_rates') }}
where {{ is_known_in_time(day_ending_at('settled_at')) }}
qualify {{ is_newest_revision(['exchange', 'symbol', 'settled_at']) }}
