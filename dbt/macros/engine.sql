{#- What each SQL engine spells in its own way. A second engine adds `<engine>__<name>` beside `duckdb__<name>`. -#}

{% macro plus_days(date, days) -%}
  {{ adapter.dispatch('plus_days', 'rotation')(date, days) }}
{%- endmacro %}
{% macro duckdb__plus_days(date, days) -%}
  ({{ date }} + {{ days }})
{%- endmacro %}

{% macro days_between(earlier, later) -%}
  {{ adapter.dispatch('days_between', 'rotation')(earlier, later) }}
{%- endmacro %}
{% macro duckdb__days_between(earlier, later) -%}
  ({{ later }} - {{ earlier }})
{%- endmacro %}

{#- A timestamp some minutes (an expression) after a date or timestamp. -#}
{% macro plus_minutes(instant, minutes) -%}
  {{ adapter.dispatch('plus_minutes', 'rotation')(instant, minutes) }}
{%- endmacro %}
{% macro duckdb__plus_minutes(instant, minutes) -%}
  (cast({{ instant }} as timestamp) + to_minutes(cast({{ minutes }} as bigint)))
{%- endmacro %}

{% macro microseconds_between(earlier, later) -%}
  {{ adapter.dispatch('microseconds_between', 'rotation')(earlier, later) }}
{%- endmacro %}
{% macro duckdb__microseconds_between(earlier, later) -%}
  (epoch_us(cast({{ later }} as timestamp)) - epoch_us(cast({{ earlier }} as timestamp)))
{%- endmacro %}

{#- The day d with d 00:00 < instant <= d+1 00:00: a settlement at midnight belongs to the day it ends. -#}
{% macro day_ending_at(instant) -%}
  {{ adapter.dispatch('day_ending_at', 'rotation')(instant) }}
{%- endmacro %}
{% macro duckdb__day_ending_at(instant) -%}
  cast({{ instant }} - interval 1 microsecond as date)
{%- endmacro %}

{#- Hours of an exchange's timeframe text: 15m, 1h, 8h, 1d. Null for longer ones. -#}
{% macro timeframe_hours(timeframe) -%}
  {{ adapter.dispatch('timeframe_hours', 'rotation')(timeframe) }}
{%- endmacro %}
{% macro duckdb__timeframe_hours(timeframe) -%}
  (try_cast(left({{ timeframe }}, -1) as double)
    * case right({{ timeframe }}, 1) when 'm' then 1 / 60.0 when 'h' then 1 when 'd' then 24 end)
{%- endmacro %}

{% macro median(expression) -%}
  {{ adapter.dispatch('median', 'rotation')(expression) }}
{%- endmacro %}
{% macro duckdb__median(expression) -%}
  median({{ expression }})
{%- endmacro %}

{#- The value on the row where `by` is largest, null values included. -#}
{% macro value_at_max(value, by) -%}
  {{ adapter.dispatch('value_at_max', 'rotation')(value, by) }}
{%- endmacro %}
{% macro duckdb__value_at_max(value, by) -%}
  arg_max_null({{ value }}, {{ by }})
{%- endmacro %}

{#- Several columns of the row where `by` is smallest, null values included, under their own names. -#}
{% macro columns_at_min(columns, by) -%}
  {{ adapter.dispatch('columns_at_min', 'rotation')(columns, by) }}
{%- endmacro %}
{% macro duckdb__columns_at_min(columns, by) -%}
  unnest(arg_min_null(struct_pack({{ columns | join(', ') }}), {{ by }}))
{%- endmacro %}

{#- A number as a whole number of 1e-`scale`, null where it is too large. -#}
{% macro whole(expression, scale) -%}
  {{ adapter.dispatch('whole', 'rotation')(expression, scale) }}
{%- endmacro %}
{% macro duckdb__whole(expression, scale) -%}
  try_cast(({{ expression }}) * 1e{{ scale }} as hugeint)
{%- endmacro %}

{% macro collected(expression, order) -%}
  {{ adapter.dispatch('collected', 'rotation')(expression, order) }}
{%- endmacro %}
{% macro duckdb__collected(expression, order) -%}
  list({{ expression }} order by {{ order }})
{%- endmacro %}

{#- The texts of a group in order, with a separator between. -#}
{% macro joined_text(expression, separator) -%}
  {{ adapter.dispatch('joined_text', 'rotation')(expression, separator) }}
{%- endmacro %}
{% macro duckdb__joined_text(expression, separator) -%}
  string_agg({{ expression }}, {{ separator }} order by {{ expression }})
{%- endmacro %}

{#- One row per day from `first` to `last`, both included. -#}
{% macro each_day(first, last) -%}
  {{ adapter.dispatch('each_day', 'rotation')(first, last) }}
{%- endmacro %}
{% macro duckdb__each_day(first, last) -%}
  cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as date)
{%- endmacro %}

{#- The product so far, nulls skipped. -#}
{% macro running_product(expression, entity) -%}
  {{ adapter.dispatch('running_product', 'rotation')(expression, entity) }}
{%- endmacro %}
{% macro duckdb__running_product(expression, entity) -%}
  product({{ expression }}) over (partition by {{ entity }} order by date)
{%- endmacro %}

{#- Mid-rank (0..1) of x among the known values of the `days` days before. Framed ranks: 24 times faster than a
    self join. The frame holds the day itself, so every count is lowered by that one row. -#}
{% macro percent_rank_before(x, entity, days) -%}
  {{ adapter.dispatch('percent_rank_before', 'rotation')(x, entity, days) }}
{%- endmacro %}
{% macro duckdb__percent_rank_before(x, entity, days) -%}
  {%- set frame -%}
    over (partition by {{ entity }} order by date rows between {{ days }} preceding and current row)
  {%- endset -%}
  {%- set lower -%}(rank(order by {{ x }} nulls last) {{ frame }} - 1){%- endset -%}
  {%- set higher -%}(rank(order by {{ x }} desc nulls last) {{ frame }} - 1){%- endset -%}
  {%- set known -%}(count({{ x }}) {{ frame }} - 1){%- endset -%}
  case
    when {{ x }} is not null and {{ known }} >= {{ needed(days) }}
      then {{ rounded('(' ~ lower ~ ' + 0.5 * (' ~ known ~ ' - ' ~ lower ~ ' - ' ~ higher ~ ')) / ' ~ known) }}
  end
{%- endmacro %}

{#- Part `number` (from 1) of a text between delimiters (an expression); empty text where there is none. dbt's own split_part gives
    null there. -#}
{% macro text_part(text, delimiter, number) -%}
  {{ adapter.dispatch('text_part', 'rotation')(text, delimiter, number) }}
{%- endmacro %}
{% macro duckdb__text_part(text, delimiter, number) -%}
  split_part({{ text }}, {{ delimiter }}, {{ number }})
{%- endmacro %}

{#- The double of a rational's text: 2/5, 0.4 or 0. -#}
{% macro fraction_value(text) -%}
  {{ adapter.dispatch('fraction_value', 'rotation')(text) }}
{%- endmacro %}
{% macro duckdb__fraction_value(text) -%}
  (cast(split_part({{ text }}, '/', 1) as double)
    / coalesce(cast(nullif(split_part({{ text }}, '/', 2), '') as double), 1))
{%- endmacro %}

{#- The latest of some timestamps, nulls ignored. -#}
{% macro latest_known(expressions) -%}
  {{ adapter.dispatch('latest_known', 'rotation')(expressions) }}
{%- endmacro %}
{% macro duckdb__latest_known(expressions) -%}
  greatest({{ expressions | join(', ') }})
{%- endmacro %}

{#- A text that changes with any value of the columns in any row, whatever the order of the rows. -#}
{% macro digest(columns) -%}
  {{ adapter.dispatch('digest', 'rotation')(columns) }}
{%- endmacro %}
{% macro duckdb__digest(columns) -%}
  cast(bit_xor(hash({{ columns | join(', ') }})) as varchar)
{%- endmacro %}
