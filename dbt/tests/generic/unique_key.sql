{#- Every key column is known and no key appears twice. -#}
{% test unique_key(model, columns) %}
{%- set unknown = columns | join(' is null or ') ~ ' is null' %}
select
  {{ columns | join(', ') }},
  count(*) as rows_with_key
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1 or {{ unknown }}
{% endtest %}
