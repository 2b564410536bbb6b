{#- Decimals of exact fractions: the sum may be off by what a double cannot hold, and by no more. -#}
{% test weights_sum_to_one(model) %}
select sum(strategic_weight_frac) as total
from {{ model }}
having abs(sum(strategic_weight_frac) - 1) > 1e-12
{% endtest %}
