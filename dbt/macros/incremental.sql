{#- Daily models keep what they computed and redo only the instrument-days that a load touched. -#}

{#- Condition on a raw row: this build may know it. -#}
{% macro is_known() -%}
  {%- if var('known_at') is none -%}
    true
  {%- else -%}
    ingested_at <= cast('{{ var("known_at") }}' as timestamp)
  {%- endif -%}
{%- endmacro %}

{#- Condition on a raw row: this build may know it, and it was available when the day of its event was decided. -#}
{% macro is_known_in_time(date) -%}
  {{ is_known() }} and available_at <= {{ decision_instant(date) }}
{%- endmacro %}

{#- Picks the newest revision per key; for a `qualify` clause. -#}
{% macro is_newest_revision(key) -%}
  row_number() over (partition by {{ key | join(', ') }} order by ingested_at desc) = 1
{%- endmacro %}

{#- Condition on `stg_arrivals`: rows of the dataset that came in after the model was last built. -#}
{% macro is_new(dataset) -%}
  dataset = '{{ dataset }}' and ingested_at > (select max(known.loaded_until_at) from {{ this }} as known)
{%- endmacro %}

{#- None when the model is built anew; else the first day that new rows touch, as text, or false when nothing came in.
    The day bounds what is read: staging picks revisions by a window, and only a constant filter on the window's
    partition reaches the scan. -#}
{% macro first_new_day(dataset) -%}
  {%- if execute and is_incremental() -%}
    {%- set found = run_query(
      'select min(cast(event_at as date)) from ' ~ ref('stg_arrivals') ~ ' where ' ~ is_new(dataset)
    ) -%}
    {{- return(found.rows[0][0] or false) -}}
  {%- endif -%}
  {{- return(none) -}}
{%- endmacro %}

{#- Condition on a staged row: it is on or after the first new day (moved by `offset` days). -#}
{% macro is_recent(time, since, offset=0) -%}
  {%- if since is none -%}
    true
  {%- elif since -%}
    {{ time }} >= {{ plus_days("cast('" ~ since ~ "' as date)", offset) }}
  {%- else -%}
    false
  {%- endif -%}
{%- endmacro %}

{#- Condition on a row with an exchange and a symbol: new rows touch its instrument on the day `date`, or on a day that
    is one of `offsets` days before. -#}
{% macro is_touched(dataset, date, since, offsets=[0]) -%}
  {%- if since is none -%}
    true
  {%- else -%}
    (exchange, symbol, {{ date }}) in (
      {%- for offset in offsets %}
      select
        exchange,
        symbol,
        {{ plus_days('cast(event_at as date)', offset) }}
      from {{ ref('stg_arrivals') }}
      where {{ is_new(dataset) }}
      {% if not loop.last %}union{% endif %}
      {%- endfor %}
    )
  {%- endif -%}
{%- endmacro %}

{#- Columns that every row of an incremental model keeps: what the build had read of the dataset, and its rules. -#}
{% macro made_from(dataset) -%}
  (select max(ingested_at) from {{ ref('stg_arrivals') }} where dataset = '{{ dataset }}') as loaded_until_at,
  (select count(*) from {{ ref('stg_arrivals') }} where dataset = '{{ dataset }}') as loaded_rows,
  '{{ rules_fingerprint() }}' as rules_fingerprint
{%- endmacro %}

{#- What the rows of an incremental model were computed under: its own SQL and the variables that it rests on. -#}
{% macro rules_fingerprint() -%}
  {%- if execute -%}
    {%- set rules = namespace(text=model.raw_code) -%}
    {%- for name in ['known_at', 'decide_at', 'metrics_intervals', 'data_oi_window_min'] -%}
      {%- set rules.text = rules.text ~ '|' ~ name ~ '=' ~ var(name) -%}
    {%- endfor -%}
    {{- local_md5(rules.text) -}}
  {%- endif -%}
{%- endmacro %}

{#- dbt asks this before it keeps anything of an incremental model. A table is rebuilt, without being asked to, when its
    rows were computed under other rules (a changed policy, a changed model), and when rows came in behind the newest
    one that it has read (a clock that was set back). -#}
{% macro should_full_refresh() %}
  {% set wanted = config.get('full_refresh') %}
  {% if wanted is none %}{% set wanted = flags.FULL_REFRESH %}{% endif %}
  {% if not wanted and execute and config.get('materialized') == 'incremental' %}
    {% set existing = load_cached_relation(this) %}
    {% if existing is not none %}
      {% set found = run_query(
        "with kept as ( select max(loaded_until_at) as until_at, max(loaded_rows) as loaded_rows, count(case when"
        ~ " rules_fingerprint <> '" ~ rules_fingerprint() ~ "' then 1 end) as other_rules from " ~ existing ~ ")"
        ~ " select kept.other_rules = 0 and kept.loaded_rows = (select count(*) from " ~ ref('stg_arrivals')
        ~ " where dataset = '" ~ config.get('meta')['dataset'] ~ "' and ingested_at <= (select until_at from kept))"
        ~ " from kept"
      ) %}
      {% set wanted = not found.rows[0][0] %}
    {% endif %}
  {% endif %}
  {% do return(wanted) %}
{% endmacro %}
