-- What one would write by hand: raw rows to the same marts, without layers, tests or nightly increments. What does not
-- occur in these rows is left out where it costs nothing to know that (renames, dated contracts, a second timeframe);
-- what only the rows can tell is looked for (exchanges that are not believed, open interest that is missing a day).
create temp table candles as
with newest as (
    select exchange, symbol, timeframe, opened_at, close, coalesce(volume_quote, volume_base * close) as volume_usd
    from raw.futures_ohlcv
    where price_type = 'last' and available_at <= cast(opened_at as date) + interval 1455 minute
    qualify row_number() over (partition by exchange, symbol, timeframe, opened_at order by ingested_at desc) = 1
    union all
    select exchange, symbol, timeframe, opened_at, close, coalesce(volume_quote, volume_base * close)
    from raw.spot_ohlcv
    where available_at <= cast(opened_at as date) + interval 1455 minute
    qualify row_number() over (partition by exchange, symbol, timeframe, opened_at order by ingested_at desc) = 1
)
select
    exchange, symbol, cast(opened_at as date) as date, max(opened_at) + interval 1 hour as closed_at,
    case when hour(max(opened_at)) = 23 then max_by(close, opened_at) end as close,
    case when count(volume_usd) >= 16 then sum(volume_usd) end as volume_usd
from newest
group by all;

create temp table basis as
with newest as (
    select exchange, symbol, price_type, opened_at, close
    from raw.futures_ohlcv
    where price_type in ('mark', 'index') and available_at <= cast(opened_at as date) + interval 1455 minute
    qualify row_number() over (partition by exchange, symbol, price_type, opened_at order by ingested_at desc) = 1
)
select mark.exchange, mark.symbol, cast(mark.opened_at as date) as date, avg(mark.close / index.close - 1) as basis
from newest as mark
join newest as index using (exchange, symbol, opened_at)
where mark.price_type = 'mark' and index.price_type = 'index'
group by all;

create temp table funding as
with newest as (
    select exchange, symbol, settled_at, funding_rate, interval_hours
    from raw.funding_rates
    where available_at <= cast(settled_at - interval 1 microsecond as date) + interval 1455 minute
    qualify row_number() over (partition by exchange, symbol, settled_at order by ingested_at desc) = 1
),
timed as (
    select
        *, coalesce(interval_hours, date_diff('minute', lag(settled_at) over (
            partition by exchange, symbol order by settled_at), settled_at) / 60) as hours
    from newest
)
select
    exchange, symbol, cast(settled_at - interval 1 microsecond as date) as date,
    case when sum(hours) >= 16 then 1e4 * 8 * sum(case when hours is not null then funding_rate end) / sum(hours) end as f8,
    max(settled_at) as settled_at
from timed
group by all;

create temp table oi as
with newest as (
    select exchange, symbol, observed_at, open_interest_base as coins,
        cast(observed_at - interval 11 minute as date) as date
    from raw.open_interest
    where available_at <= cast(observed_at as date) + interval 1455 minute
    qualify row_number() over (partition by exchange, symbol, observed_at order by ingested_at desc) = 1
)
select
    exchange, symbol, date, min_by(coins, abs(epoch_us(observed_at) - epoch_us(date + interval 1 day))) as coins,
    max(observed_at) as observed_at
from newest
group by all;

create temp table reported as
select
    *, split_part(symbol, '/', 1) as asset,
    coalesce(coins, case when lag(date) over i = date - 1 then lag(coins) over i end) as held
from (select * from candles where symbol like '%:%') as c
full join funding using (exchange, symbol, date)
full join oi using (exchange, symbol, date)
full join basis using (exchange, symbol, date)
where date < (select max(cast(opened_at as date)) from raw.futures_ohlcv)
window i as (partition by exchange, symbol order by date);

create temp table doubted as
with prices as (
    select
        date, asset, exchange, median(close) as price, sum(held) as coins,
        greatest(max(closed_at), max(settled_at), max(observed_at)) as newest_at
    from reported
    group by all
),
compared as (
    select
        *, count(price) over d as priced, median(price) over d as middle, sum(coins) over d as all_coins,
        lag(coins) over e as coins_before
    from prices
    window d as (partition by date, asset), e as (partition by asset, exchange order by date)
),
judged as (select *, sum(coins_before) over (partition by date, asset) as all_coins_before from compared)
select date, asset, exchange
from judged
where (priced >= 3 and abs(price / middle - 1) > 0.02)
    or newest_at < date + interval 1455 minute - interval 26 hour
    or (
        abs(coins / coins_before - 1) > 0.6
        and abs((all_coins - coins) / (all_coins_before - coins_before) - 1) < 0.1
    );

create temp table perpetuals as
select *, lag(coins) over i as coins_before, lag(close) over i as close_before
from (
    select * replace (held as coins) from reported
    where (date, asset, exchange) not in (select (date, asset, exchange) from doubted)
)
window i as (partition by exchange, symbol order by date);

create temp table assets as
with days as (
    select
        date, asset, sum(f8 * coins * close) / sum(coins * close) as f8, median(close) as price, sum(volume_usd) as volume,
        sum(coins * close) as oi, median(basis) as basis, sum(coins * close_before) as step_now,
        sum(coins_before * close_before) as step_before, sum(coins * close) as usd_now,
        least(max(closed_at), max(settled_at), max(observed_at)) as newest_at
    from perpetuals
    group by all
)
select
    days.*, spot.close as spot, spot.volume as spot_volume, sector,
    days.price / lag(days.price) over a - 1 as r, spot.close / lag(spot.close) over a - 1 as spot_r,
    avg(days.volume) over week as recent,
    case when count(days.volume) over week < 5 then 1 end as few_recent,
    avg(days.volume) over month as prior,
    case when count(days.volume) over month < 19 then 1 end as few_prior,
    case when count(oi) over ranking >= 15
        then median(oi) over ranking end as median_oi
from days
left join (
    select date, split_part(symbol, '/', 1) as asset, median(close) as close, sum(volume_usd) as volume
    from candles where symbol not like '%:%' group by all
) as spot using (date, asset)
left join asset_sectors as s
    on s.asset = days.asset and date >= valid_from and (date < valid_to or valid_to is null)
window a as (partition by days.asset order by date),
    week as (partition by days.asset order by date rows between 6 preceding and current row),
    month as (partition by days.asset order by date rows between 34 preceding and 7 preceding),
    ranking as (partition by days.asset order by date rows between 29 preceding and current row);

create temp table leaders as
with ranked as (
    select *, row_number() over (partition by date, sector order by median_oi desc, asset) as k
    from assets where sector is not null and median_oi is not null
),
top as (
    select *, sum(median_oi) over (partition by date, sector order by k rows between current row and unbounded following) as rest,
        count(*) over (partition by date, sector) as n
    from ranked where k <= 5
),
first as (
    select *, min(case when median_oi * (1 - (k - 1) * 0.4::double) <= 0.4::double * rest then k end)
        over (partition by date, sector) as free
    from top
)
select
    date, sector, asset, median_oi,
    case when n * 0.4 <= 1 then 1.0 / n when k < free then 0.4 else
        median_oi / max(case when k = free then rest end) over (partition by date, sector) * (1 - (free - 1) * 0.4::double)
    end as w
from first;

create temp table sectors as
with today as (
    select
        date, sector, sum(w * f8) / sum(case when f8 is not null then w end) as f8, sum(l.median_oi * f8) as fm,
        min(newest_at) as newest_at,
        sum(case when f8 is not null and oi is not null and price is not null and volume is not null then l.median_oi
            else 0 end) / sum(l.median_oi) as covered,
        sum(case when f8 is not null then l.median_oi end) as m, sum(oi) as oi,
        sum(case when few_recent is null and few_prior is null then recent end)
            / sum(case when few_recent is null and few_prior is null then prior end) as vr
    from leaders as l join assets using (date, sector, asset)
    group by all
),
steps as (
    select
        a.date, l.sector, sum(step_now) / sum(step_before) as i, sum(usd_now) / sum(step_before) as j,
        1 + sum(w * r) / sum(case when r is not null then w end) as f,
        1 + sum(w * spot_r) / sum(case when spot_r is not null then w end) as s
    from leaders as l join assets as a on a.date = l.date + 1 and a.asset = l.asset
    group by all
)
select
    date, sector, round(f8, 9) as f8, oi, round(vr, 9) as vr, newest_at, covered,
    (sum(fm) over (partition by date) - fm) / (sum(m) over (partition by date) - m) as rest,
    product(coalesce(i, 1)) over s as i, product(coalesce(j, 1)) over s as j,
    product(coalesce(f, 1)) over s as f, product(coalesce(steps.s, 1)) over s as spot
from today left join steps using (date, sector)
window s as (partition by sector order by date);

create table asset_futures_daily as
with f as (
    select *, round(avg(f8) over t, 9) as f3,
        ln(product(coalesce(step_now / step_before, 1)) over a) as li, ln(product(coalesce(usd_now / step_before, 1)) over a) as lj
    from assets
    window a as (partition by asset order by date),
        t as (partition by asset order by date rows between 2 preceding and current row)
)
select
    date, asset, sector, round(f8, 9) as funding_8h_bps, oi as open_interest_usd, price as perp_close_usd, spot, volume,
    spot_volume, basis, f3,
    case when count(f3) over b >= 60 then ((rank(order by f3) over c - 1) + 0.5 * ((count(f3) over c - 1)
        - (rank(order by f3) over c - 1) - (rank(order by f3 desc) over c - 1))) / (count(f3) over c - 1) end as pctl,
    case when count(li) over b >= 60 then (li - avg(li) over b) / greatest(stddev_pop(li) over b, 0.01) end as z,
    case when count(lj) over b >= 60 then (lj - avg(lj) over b) / greatest(stddev_pop(lj) over b, 0.01) end as z_usd
from f
window b as (partition by asset order by date rows between 90 preceding and 1 preceding),
    c as (partition by asset order by date rows between 90 preceding and current row);

create table sector_funding_daily as
with f as (
    select *, case when count(f8) over t >= 2 then round(avg(f8) over t, 9) end as f3, avg(rest) over t as rest3,
        case when count(f8) over v >= 10 then round(stddev_pop(f8) over v, 9) end as sd
    from sectors
    window t as (partition by sector order by date rows between 2 preceding and current row),
        v as (partition by sector order by date rows between 13 preceding and current row)
)
select
    date, sector, f8 as funding_8h_bps, f3, round(f3 - rest3, 9) as ex, sd as funding_stdev_14d_bps,
    case when f3 is not null and count(f3) over b >= 60 then round(((rank(order by f3) over c - 1) + 0.5 * ((count(f3) over c - 1)
        - (rank(order by f3) over c - 1) - (rank(order by f3 desc) over c - 1))) / (count(f3) over c - 1), 9)
    end as funding_pctl_90d,
    (f3 - avg(f3) over b) / greatest(stddev_pop(f3) over b, 0.25) as z,
    max(f3) over (partition by sector order by date rows between 27 preceding and current row) as peak,
    case when count(sd) over b >= 60 then median(sd) over b end as sd_median
from f
window b as (partition by sector order by date rows between 90 preceding and 1 preceding),
    c as (partition by sector order by date rows between 90 preceding and current row);

create table sector_open_interest_daily as
with m as (
    select *, round(f / lag(f, 14) over s - 1, 9) as mom, ln(f / lag(f) over s) as lr, ln(i) as li, ln(j) as lj
    from sectors window s as (partition by sector order by date)
),
v as (
    select *, round(stddev_pop(lr) over (partition by sector order by date rows between 13 preceding and current row)
        * sqrt(365), 9) as rv
    from m
)
select
    date, sector, oi, i, j, f, spot, vr as volume_ratio_7d_28d, mom as momentum_14d_frac,
    i / lag(i, 7) over s - 1 as change,
    case when count(li) over b >= 60 then round((li - avg(li) over b) / greatest(stddev_pop(li) over b, 0.01), 9)
    end as open_interest_z_90d,
    case when count(lj) over b >= 60 then (lj - avg(lj) over b) / greatest(stddev_pop(lj) over b, 0.01) end as z_usd,
    max(mom) over (partition by sector order by date rows between 27 preceding and current row) as mom_peak, rv,
    case when count(rv) over b >= 60 then ((rank(order by rv) over c - 1) + 0.5 * ((count(rv) over c - 1)
        - (rank(order by rv) over c - 1) - (rank(order by rv desc) over c - 1))) / (count(rv) over c - 1) end as rv_pctl
from v
window s as (partition by sector order by date),
    b as (partition by sector order by date rows between 90 preceding and 1 preceding),
    c as (partition by sector order by date rows between 90 preceding and current row);

create table sector_spreads_daily as
with spreads as (
    select b.date, b.sector, x.sector as reference_sector, ln(x.f / b.f) as spread_futures_log, ln(x.spot / b.spot) as spot
    from sectors as b join sectors as x on x.date = b.date and x.sector <> b.sector
),
changes as (
    select *, spread_futures_log - lag(spread_futures_log, 14) over
        (partition by sector, reference_sector order by date) as change
    from spreads
)
select
    date, sector, reference_sector, spread_futures_log, spot, spread_futures_log - spot as basis, change,
    case when count(change) over b >= 60
        then round((change - avg(change) over b) / greatest(stddev_pop(change) over b, 0.005), 9) end as spread_z_90d
from changes
window b as (partition by sector, reference_sector order by date rows between 90 preceding and 1 preceding);

create table data_health_daily as
select
    date, sector, coalesce(round(covered, 9), 0) as coverage_frac, newest_at,
    newest_at >= date + interval 1455 minute - interval 26 hour as is_fresh
from (select distinct date from assets) as d cross join (select distinct sector from asset_sectors) as s
left join sectors using (date, sector);
