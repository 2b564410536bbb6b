{%- set loaded = source('raw', 'funding_rates') %}
{%- set date = day_ending_at('settled_at') %}
{%- set known %}
select
  exchange,
  symbol,
  settled_at,
  funding_rate,
  interval_hours,
  ingested_at,
  {{ date }} as date
from {{ loaded }}
where {{ is_known_in_time(date) }}
{% endset -%}

{{ newest_revisions(loaded, known, ['exchange', 'symbol'], 'settled_at', date) }}
