{#- Daily models keep what they computed and redo only the instrument-days that a load touched. -#}

{#- Condition on a raw row: known to this build, and available when the day of its event was decided. -#}
{% macro is_known_in_time(date) -%}
  available_at <= {{ decision_instant(date) }}
  {%- if var('known_at') is not none %}
    and ingested_at <= cast('{{ var("known_at") }}' as timestamp)
  {%- endif %}
{%- endmacro %}

{#- Picks the newest revision per key; for a `qualify` clause. -#}
{% macro is_newest_revision(key) -%}
  row_number() over (partition by {{ key | join(', ') }} order by ingested_at desc) = 1
{%- endmacro %}

{#- Condition on `stg_arrivals`: rows that the model has not taken in. Rows with the very instant of the last
    processed one are taken again: two loads may share it. -#}
{% macro has_arrived_since(dataset) -%}
  dataset = '{{ dataset }}' and ingested_at >= (select max(known.ingested_at) from {{ this }} as known)
{%- endmacro %}

{#- The instrument-days of this model that new rows touch: their own day and the neighbours in `offsets`. -#}
{% macro touched_days(dataset, offsets=[0]) -%}
  {%- for offset in offsets %}
  select
    exchange,
    symbol,
    {{ plus_days('cast(event_at as date)', offset) }} as date
  from {{ ref('stg_arrivals') }}
  where {% if is_incremental() %}{{ has_arrived_since(dataset) }}{% else %}false{% endif %}
  {% if not loop.last %}union{% endif %}
  {%- endfor %}
{%- endmacro %}

{#- First day that new rows touch, as text; none when nothing arrived. It bounds what is read: staging picks revisions
    by a window, and only a constant filter on its partition reaches the scan. -#}
{% macro first_touched_day(dataset) -%}
  {%- if execute and is_incremental() -%}
    {%- set found = run_query(
      'select min(cast(event_at as date)) from ' ~ ref('stg_arrivals') ~ ' where ' ~ has_arrived_since(dataset)
    ) -%}
    {{- return(found.rows[0][0]) -}}
  {%- endif -%}
{%- endmacro %}

{#- Condition on a staged row of `rows`: it is on or after the first touched day (moved by `offset` days). -#}
{% macro is_recent(rows, time, since, offset=0) -%}
  {%- if not is_incremental() -%}
    true
  {%- elif since -%}
    {{ rows }}.{{ time }} >= {{ plus_days("cast('" ~ since ~ "' as date)", offset) }}
  {%- else -%}
    false
  {%- endif -%}
{%- endmacro %}

{#- Condition on a row of `rows`: its instrument-day is to be redone. -#}
{% macro is_touched(rows, date='date') -%}
  {%- if is_incremental() -%}
    exists (
      select 1
      from touched
      where
        touched.exchange = {{ rows }}.exchange
        and touched.symbol = {{ rows }}.symbol
        and touched.date = {{ date }}
    )
  {%- else -%}
    true
  {%- endif -%}
{%- endmacro %}

{#- What the rows of an incremental model were computed under: its own SQL and every variable but the last day. -#}
{% macro rules_fingerprint() -%}
  {%- set rules = namespace(text=model.raw_code | default('')) -%}
  {%- for name in [
    'known_at', 'decide_at', 'metrics_intervals', 'data_oi_window_min'
  ] -%}
    {%- set rules.text = rules.text ~ name ~ var(name) -%}
  {%- endfor -%}
  {{ local_md5(rules.text) }}
{%- endmacro %}

{#- dbt asks this before it decides what an incremental model may keep. Rows computed under other rules are never
    kept: a changed policy, or a changed model, rebuilds the table by itself. -#}
{% macro should_full_refresh() %}
  {% set wanted = config.get('full_refresh') %}
  {% if wanted is none %}{% set wanted = flags.FULL_REFRESH %}{% endif %}
  {% if not wanted and execute and config.get('materialized') == 'incremental' %}
    {% set existing = load_cached_relation(this) %}
    {% if existing is not none %}
      {% set other = run_query(
        "select 1 from " ~ existing ~ " where rules_fingerprint <> '" ~ rules_fingerprint() ~ "' limit 1"
      ) %}
      {% set wanted = other.rows | length > 0 %}
    {% endif %}
  {% endif %}
  {% do return(wanted) %}
{% endmacro %}
