-- Where leverage has been building up over the last 30 days: funding and open interest side by side.
select
    funding.date,
    funding.sector,
    funding.funding_3d_bps,
    funding.funding_pctl_90d,
    interest.open_interest_usd,
    interest.open_interest_change_7d_frac,
    interest.open_interest_z_90d
from marts.sector_funding_daily as funding
join marts.sector_open_interest_daily as interest using (date, sector)
where funding.date > (select max(date) - 30 from marts.sector_funding_daily)
order by funding.date desc, funding.sector;
