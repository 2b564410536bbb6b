-- Which rows were set aside, and which rule did they break?
--
-- Columns:
--   exchange: exchange.
--   dataset: raw table that the rows were meant for.
--   rule: the rule that they broke.
--   quarantined_rows: how many.
--   symbols: of how many symbols.
--   last_quarantined_at: when the newest was set aside.
--   example_symbol: symbol of the newest.
--   example_row: the newest as it came, JSON.
-- Reads: raw.quarantine
-- How to read: The most frequent first. Rows in quarantine are kept and read by nothing.
-- No rows: no row was set aside in the days of raw data that the release has.
select
  exchange,
  dataset,
  rule,
  count(*) as quarantined_rows,
  count(distinct symbol) as symbols,
  max(quarantined_at) as last_quarantined_at,
  arg_max(symbol, quarantined_at) as example_symbol,
  arg_max(row_json, quarantined_at) as example_row
from raw.quarantine
group by exchange, dataset, rule
order by quarantined_rows desc, exchange asc, dataset asc, rule asc;
