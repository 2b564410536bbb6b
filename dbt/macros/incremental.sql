{#- What a night may keep of the nights before.

    The daily models redo the instrument-days that new raw rows touch; the models after them redo every day from the
    first one that changed. Both keep in each row what it was made from, and rebuild themselves when that is not enough
    to go on with. -#}

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

{#- The newest revision of each of millions of rows. A key can stand twice only on a day of its series whose rows came in
    at different times, and only the rows of such days are grouped by key: to group all takes more time and memory than
    the rest of a build.

    `loaded` is the relation of all rows. `known` is a query of those that this build may know, with the `date` that
    `date` (an expression) says; it is written out wherever it is read, because DuckDB would hold the rows of a `with`
    clause in memory. A reader that wants some days only says so of `date`, too, and these alone are looked at. -#}
{% macro newest_revisions(loaded, known, series, time, date) -%}
{%- set series = series | join(', ') -%}
select known.*
from ({{ known }}) as known
left join (
  select
    {{ series }},
    date,
    {{ time }},
    max(known.ingested_at) as newest_ingested_at
  from ({{ known }}) as known
  inner join (
    select
      {{ series }},
      {{ date }} as date
    from {{ loaded }}
    group by {{ series }}, {{ date }}
    having min(ingested_at) < max(ingested_at)
  ) as revised_days using ({{ series }}, date)
  group by {{ series }}, date, {{ time }}
  having count(*) > 1
) as revised using ({{ series }}, date, {{ time }})
where revised.newest_ingested_at is null or known.ingested_at = revised.newest_ingested_at
{%- endmacro %}

{#- Condition on `stg_arrivals`: rows of the dataset that came in after what the model has read. -#}
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

{#- Condition on a row: it is on or after the first new or changed day (moved by `offset` days). -#}
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

{#- None when the model is built anew; else the first day to redo, as text: one of the models that it reads has written
    it since this one was built, or it comes after this one's last day. -#}
{% macro first_changed_day(read) -%}
  {%- if execute and is_incremental() -%}
    {%- set written = [] -%}
    {%- for relation in read -%}
      {%- do written.append('select date, loaded_rows from ' ~ relation) -%}
    {%- endfor -%}
    {%- set found = run_query(
      'select min(date) from (select date from (' ~ written | join(' union all ') ~ ') as written where loaded_rows > ('
      ~ 'select max(loaded_rows) from ' ~ this ~ ') union all select ' ~ plus_days('max(date)', 1) ~ ' from ' ~ this
      ~ ') as changed'
    ) -%}
    {{- return(found.rows[0][0]) -}}
  {%- endif -%}
  {{- return(none) -}}
{%- endmacro %}

{#- A relation's rows from some days before the first changed day on. -#}
{% macro from_day(relation, since, days_before=0) -%}
  {%- if since is none -%}
    {{ relation }}
  {%- else -%}
    (select * from {{ relation }} where date >= {{ plus_days("cast('" ~ since ~ "' as date)", -days_before) }})
  {%- endif -%}
{%- endmacro %}

{#- For a hook before the model is built: makes room for the days that it redoes, and forgets those after the last of
    `days`, which an earlier `as_of_date` has shortened. -#}
{% macro forget_changed_days(read, days) -%}
  {%- set since = first_changed_day(read) -%}
  {%- if since is not none -%}
    delete from {{ this }}
    where date >= cast('{{ since }}' as date) or date > (select max(known.date) from {{ days }} as known)
  {%- endif -%}
{%- endmacro %}

{#- Columns that every row of an incremental model keeps: how many raw rows had been read when it was made, up to which
    one, and under which rules. A model that reads only `upstream` has read what that has. -#}
{% macro made_from(upstream=none) -%}
  {%- if upstream is none -%}
    (select loaded_until_at from {{ ref('stg_loads') }}) as loaded_until_at,
    (select loaded_rows from {{ ref('stg_loads') }}) as loaded_rows,
  {%- else -%}
    (select max(loaded_rows) from {{ upstream }}) as loaded_rows,
  {%- endif %}
  '{{ rules_fingerprint() }}' as rules_fingerprint
{%- endmacro %}

{#- Variables whose change rebuilds the incremental models: all but the last day. -#}
{% macro rule_variables() -%}
  {{- return([
    'known_at', 'decide_at', 'windows_baseline', 'windows_min_frac', 'windows_funding_mean', 'windows_oi_change',
    'windows_momentum', 'windows_spread', 'windows_peak', 'windows_funding_vol', 'windows_vol_recent',
    'windows_vol_prior', 'leaders_k', 'leaders_min_perp_age_days', 'leaders_oi_weight_cap', 'leaders_median_days',
    'leaders_median_min', 'metrics_funding_z_floor_bps', 'metrics_oi_z_floor', 'metrics_spread_z_floor',
    'metrics_funding_min_hours', 'metrics_flip_level_bps', 'metrics_dte_min', 'metrics_dte_max', 'metrics_dte_gap',
    'metrics_intervals', 'metrics_volume_min_hours', 'metrics_round_decimals', 'data_stale_exchange_hours',
    'data_oi_jump', 'data_oi_jump_others', 'data_price_jump', 'data_dropped_share', 'data_oi_carry_days',
    'data_oi_window_min', 'health_coverage', 'health_fresh_hours', 'calendar_front', 'calendar_excess'
  ]) -}}
{%- endmacro %}

{#- Everything but raw rows that an incremental model's rows rest on: the policy, all models and seeds, and, after the
    daily models, the terms of the instruments. -#}
{% macro rules_fingerprint() -%}
  {%- if execute -%}
    {%- set rules = namespace(text=var('macros_sha256') ~ '|') -%}
    {%- for name in rule_variables() -%}
      {%- set rules.text = rules.text ~ name ~ '=' ~ var(name) ~ '|' -%}
    {%- endfor -%}
    {%- for node in graph.get('nodes', {}).values() | sort(attribute='unique_id') -%}
      {%- if node.resource_type in ['model', 'seed'] -%}
        {%- set rules.text = rules.text ~ node.checksum.checksum -%}
      {%- endif -%}
    {%- endfor -%}
    {%- if 'stg_instruments' in config.get('meta', {}).get('rests_on', []) -%}
      {%- set found = run_query('select ' ~ digest([
        'exchange', 'symbol', 'market_type', 'base', 'quote', 'is_linear', 'contract_size', 'contract_multiplier',
        'expiry_at'
      ]) ~ ' from ' ~ ref('stg_instruments')) -%}
      {%- set rules.text = rules.text ~ found.rows[0][0] -%}
    {%- endif -%}
    {{- local_md5(rules.text) -}}
  {%- endif -%}
{%- endmacro %}

{#- dbt asks this before it keeps anything of an incremental model. A table is rebuilt, without being asked to, when its
    rows were computed under other rules (a changed policy, model, macro or seed) or do not tell theirs; one that reads raw
    rows also when rows came in behind the newest that it has read (a clock that was set back). -#}
{% macro should_full_refresh() %}
  {% set wanted = config.get('full_refresh') %}
  {% if wanted is none %}{% set wanted = flags.FULL_REFRESH %}{% endif %}
  {% if not wanted and execute and config.get('materialized') == 'incremental' %}
    {% set existing = load_cached_relation(this) %}
    {% if existing is not none %}
      {% do return(not goes_on_from(existing)) %}
    {% endif %}
  {% endif %}
  {% do return(wanted) %}
{% endmacro %}

{% macro goes_on_from(existing) %}
  {% if 'rules_fingerprint' not in adapter.get_columns_in_relation(existing) | map(attribute='name') %}
    {% do return(false) %}
  {% endif %}
  {% set same_rules = "min(rules_fingerprint) = '" ~ rules_fingerprint() ~ "' and max(rules_fingerprint) = min("
    ~ "rules_fingerprint)" %}
  {% set nothing_behind = "true" %}
  {% if 'stg_arrivals' in config.get('meta', {}).get('rests_on', []) %}
    {% set nothing_behind = "max(loaded_rows) + (select count(*) from " ~ ref('stg_arrivals')
      ~ " where ingested_at > (select max(loaded_until_at) from " ~ existing ~ ")) = (select loaded_rows from "
      ~ ref('stg_loads') ~ ")" %}
  {% endif %}
  {% set found = run_query("select " ~ same_rules ~ " and " ~ nothing_behind ~ " from " ~ existing) %}
  {% do return(found.rows[0][0]) %}
{% endmacro %}
