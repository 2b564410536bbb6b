{#- A sum that every run gives to the last bit: of whole numbers, because a parallel sum of doubles changes its last
    digits with the order of the rows. A sum of doubles in a stated order takes twenty times as long, and a decimal(38) a
    microsecond to become a double. `over` is a window. -#}
{% macro exact_sum(expression, scale=12, over=none) -%}
  (cast(sum({{ whole(expression, scale) }}) {{- ' over ' ~ over if over }} as double) / 1e{{ scale }})
{%- endmacro %}

{#- Statistics over a window of days. The rows of an entity must be its consecutive days without a gap. A window
    with fewer known days than the policy asks for gives null. -#}

{#- `aggregate` of x over the `days` days that end `ends` days ago. An `exact_avg` is the same wherever the series
    begins, so that a night that reads only its last days gives the same bits as a rebuild. -#}
{% macro over_days(aggregate, x, entity, days, ends=0) -%}
  {%- set window -%}
    (
      partition by {{ entity }} order by date
      rows between {{ days + ends - 1 }} preceding and {{ 'current row' if ends == 0 else ends ~ ' preceding' }}
    )
  {%- endset -%}
  {%- set known = 'count(' ~ x ~ ') over ' ~ window -%}
  {%- if aggregate == 'exact_avg' -%}
    {%- set statistic = exact_sum(x, over=window) ~ ' / ' ~ known -%}
  {%- elif aggregate == 'median' -%}
    {%- set statistic = median(x) ~ ' over ' ~ window -%}
  {%- else -%}
    {%- set statistic = aggregate ~ '(' ~ x ~ ') over ' ~ window -%}
  {%- endif -%}
  case when {{ known }} >= {{ needed(days) }} then {{ statistic }} end
{%- endmacro %}

{#- Standard score of x against the `days` days before, with a floor under the deviation. -#}
{% macro z_score_before(x, entity, days, floor) -%}
  {%- set mean = over_days('avg', x, entity, days, ends=1) -%}
  {%- set deviation = over_days('stddev_pop', x, entity, days, ends=1) -%}
  {{ rounded('(' ~ x ~ ' - ' ~ mean ~ ') / greatest(' ~ deviation ~ ', ' ~ floor ~ ')') }}
{%- endmacro %}

{#- Value of x some days ago; null when either end of the difference is unknown. -#}
{% macro days_ago(x, entity, days) -%}
  lag({{ x }}, {{ days }}) over (partition by {{ entity }} order by date)
{%- endmacro %}

{#- An index from daily steps: 100 on the day before the first known step. On a day without a step the level is
    unknown, and the next known step is applied to the last known level. -#}
{% macro chained(step, entity) -%}
  case
    when {{ step }} is not null then 100 * {{ running_product('1 + ' ~ step, entity) }}
    when
      count({{ step }}) over (partition by {{ entity }} order by date) = 0
      and lead({{ step }}) over (partition by {{ entity }} order by date) is not null
      then 100
  end
{%- endmacro %}
