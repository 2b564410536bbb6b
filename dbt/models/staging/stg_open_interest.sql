{%- set known %}
select
  exchange,
  symbol,
  observed_at,
  open_interest_contracts,
  open_interest_base,
  open_interest_usd,
  available_at,
  ingested_at,
  {{ day_ending_at('observed_at') }} as date
from {{ source('raw', 'open_interest') }}
where
  coalesce(open_interest_contracts, open_interest_base, open_interest_usd) is not null
  and {{ is_known_in_time('cast(observed_at as date)') }}
{% endset -%}

{{ newest_revisions(known, ['exchange', 'symbol'], 'observed_at') }}
