{#- The half-open intervals [valid_from, valid_to) of an entity follow each other without overlap. -#}
{% test intervals_do_not_overlap(model, entity) %}
select
  {{ entity }},
  valid_from,
  valid_to,
  next_valid_from
from (
  select
    {{ entity }},
    valid_from,
    valid_to,
    lead(valid_from) over (partition by {{ entity }} order by valid_from) as next_valid_from
  from {{ model }}
) as intervals
where valid_to <= valid_from or coalesce(valid_to, date '9999-12-31') > next_valid_from
{% endtest %}
