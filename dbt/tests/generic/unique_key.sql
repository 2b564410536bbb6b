{#- Every key column is known and no key appears twice. -#}
{% test unique_key(model, columns) %}
select
  {%- for column in columns %}
  {{ column }},
  {%- endfor %}
  count(*) as rows_with_key
from {{ model }}
group by {{ columns | join(', ') }}
having
  count(*) > 1
  {%- for column in columns %}
  or {{ column }} is null
  {%- endfor %}
{% endtest %}
