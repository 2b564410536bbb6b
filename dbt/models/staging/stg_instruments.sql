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
{% if var('known_at') is not none %}
where ingested_at <= cast('{{ var("known_at") }}' as timestamp)
{% endif %}
qualify {{ is_newest_revision(['exchange', 'symbol']) }}
