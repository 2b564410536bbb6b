{%- set loaded = source('raw', 'futures_ohlcv') %}
{%- set date = 'cast(opened_at as date)' %}
{%- set known %}
select
  exchange,
  symbol,
  price_type,
  timeframe,
  opened_at,
  close,
  coalesce(volume_quote, volume_base * close) as volume_usd,
  ingested_at,
  {{ date }} as date
from {{ loaded }}
where {{ is_known_in_time(date) }}
{% endset -%}

{{ newest_revisions(loaded, known, ['exchange', 'symbol', 'price_type', 'timeframe'], 'opened_at', date) }}
