{%- set known %}
select
  exchange,
  symbol,
  settled_at,
  funding_rate,
  interval_hours,
  ingested_at,
  {{ day_ending_at('settled_at') }} as date
from {{ source('raw', 'funding_rates') }}
where {{ is_known_in_time(day_ending_at('settled_at')) }}
{% endset -%}

{{ newest_revisions(known, ['exchange', 'symbol'], 'settled_at') }}
