-- Tonight's targets: what each sector should hold, and why.
select sector, state, action, current_usd, target_usd, delta_usd, reason_codes, explanation
from portfolio.target_allocations
where as_of_date = (select max(as_of_date) from portfolio.target_allocations)
order by abs(delta_usd) desc, sector;
