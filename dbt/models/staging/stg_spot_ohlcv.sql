{%- set known %}
select
  exchange,
  symbol,
  timeframe,
  opened_at,
  close,
  coalesce(volume_quote, volume_base * close) as volume_usd,
  ingested_at,
  cast(opened_at as date) as date
from {{ source('raw', 'spot_ohlcv') }}
where {{ is_known_in_time('cast(opened_at as date)') }}
{% endset -%}

{{ newest_revisions(known, ['exchange', 'symbol', 'timeframe'], 'opened_at') }}
