{%- set loaded = source('raw', 'open_interest') %}
{%- set date = 'cast(observed_at as date)' %}
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
  {{ date }} as date
from {{ loaded }}
where
  coalesce(open_interest_contracts, open_interest_base, open_interest_usd) is not null
  and {{ is_known_in_time(date) }}
{% endset -%}

{{ newest_revisions(loaded, known, ['exchange', 'symbol'], 'observed_at', date) }}
