{#- The policy's numbers in the form that SQL wants. -#}

{#- Known days that a window of `days` needs: the policy's share of them, rounded up. -#}
{% macro needed(days) -%}
  {%- set parts = (var('windows_min_frac') | string).split('/') -%}
  {%- set numerator = parts[0] | int -%}
  {%- set denominator = parts[1] | int if parts | length > 1 else 1 -%}
  {{- ((days | int) * numerator + denominator - 1) // denominator -}}
{%- endmacro %}

{#- An exact fraction ("2/5") as a double. -#}
{% macro fraction(text) -%}
  {%- set parts = (text | string).split('/') -%}
  {%- set denominator = parts[1] | float if parts | length > 1 else 1.0 -%}
  cast({{ (parts[0] | float) / denominator }} as double)
{%- endmacro %}

{#- A sector's exact strategic weight: the portfolio's where it gives any, else the seed's. -#}
{% macro strategic_weight() -%}
  {%- set own = var('strategic_weights') -%}
  {%- if own is none -%}
    strategic_weight_exact
  {%- else -%}
    case sector
    {%- for sector, weight in own.items() %}
      when '{{ sector | replace("'", "''") }}' then '{{ weight }}'
    {%- endfor %}
      else '0'
    end
  {%- endif -%}
{%- endmacro %}

{#- Rounded as every value is before it is ranked, compared or has its sign taken. -#}
{% macro rounded(expression) -%}
  round({{ expression }}, {{ var('metrics_round_decimals') }})
{%- endmacro %}

{#- The instant at which day `date` is decided: rows available later are not read for that day. -#}
{% macro decision_instant(date) -%}
  {%- set parts = var('decide_at').split(':') -%}
  {{ plus_minutes(date, 1440 + 60 * (parts[0] | int) + (parts[1] | int)) }}
{%- endmacro %}

{#- Hours between the two settlements rounded to the nearest interval that exchanges use, ties to the smaller;
    over 24 hours it says nothing. -#}
{% macro nearest_interval(hours) -%}
  {%- set known = var('metrics_intervals') -%}
  case
  {%- for interval in known %}
    {%- if not loop.last %}
    when {{ hours }} <= {{ (interval + known[loop.index]) / 2 }} then {{ interval }}
    {%- else %}
    when {{ hours }} <= 24 then {{ interval }}
    {%- endif %}
  {%- endfor %}
  end
{%- endmacro %}

{#- A share as whole percent, rounded down, for a sentence. -#}
{% macro percent_text(share) -%}
  cast(cast(floor(100 * {{ share }}) as integer) as varchar) || '%'
{%- endmacro %}
