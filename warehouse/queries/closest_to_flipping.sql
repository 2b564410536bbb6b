-- Which sectors are one small move away from another state, and which move that is.
select
    sector,
    state,
    distance_to_flip ->> '$[0].becomes' as next_state,
    distance_to_flip -> '$[0].moves' as moves
from portfolio.sector_signals
where as_of_date = (select max(as_of_date) from portfolio.sector_signals)
order by sector;
