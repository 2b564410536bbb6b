{#- Every key column is known and no key appears twice. -#}
{% test unique_key(model, columns) %}
select
  {{ columns | join(', ') }},
  count(*) as rows_with_key
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1 or {{ columns | join(' is null or ') }} is null
{% endtest %}
