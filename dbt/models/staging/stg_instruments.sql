select
  exchange,
  symbol,
  market_type,
  base,
  quote,
  settle,
  is_linear,
  contract_size,
  contract_multiplier,
  expiry_at,
  listed_at,
  ingested_at
from {{ source('raw', 'instruments') }}
where {{ is_known() }}
qualify {{ is_newest_revision(['exchange', 'symbol']) }}
