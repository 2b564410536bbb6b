"""What the real files are known to do wrong, each built here and imported through the same door as a real one."""

from datetime import date, datetime, timedelta

DAY = date(2024, 2, 16)
MIDNIGHT = datetime(2024, 2, 16)
FUNDING = "data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-02.zip"
FUNDING_HEADER = "calc_time,funding_interval_hours,last_funding_rate"
KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
OPEN_INTEREST = "select observed_at, open_interest_base, open_interest_usd from raw.open_interest order by observed_at"
LOADS = "select status, rows_received, rows_written, rows_quarantined from raw.load_batches"
RULES = "select rule, count(*)::int from raw.quarantine group by rule order by rule"


def ms(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1)) / timedelta(milliseconds=1))


def test_a_whole_day_of_metrics_is_stored_with_its_lineage(archive, import_days, query):
    sha256 = archive.put_metrics(DAY, archive.metrics_rows(DAY))
    outcome = import_days(DAY, DAY, kinds=("metrics",))
    assert (outcome.report.read, outcome.report.rows_written, outcome.report.thin) == (1, 288, [])
    first = query("select * from raw.open_interest order by observed_at limit 1").row(0, named=True)
    del first["ingested_at"], first["batch_id"]
    assert first == {
        "exchange": "binance", "symbol": "BTC/USDT:USDT", "observed_at": MIDNIGHT, "open_interest_contracts": None,
        "open_interest_base": 100.0, "open_interest_usd": 1000.0, "source_kind": "archive",
        "available_at": MIDNIGHT + timedelta(minutes=5), "pit_quality": "assumed", "source": "archive",
    }  # fmt: skip
    load = query("select * from raw.load_batches").row(0, named=True)
    assert (load["payload_sha256"], load["timeframe"], load["status"]) == (sha256, "5m", "ok")
    assert (load["window_start_at"], load["covered_until_at"]) == (MIDNIGHT, MIDNIGHT + timedelta(days=1))


def test_a_day_with_163_of_288_rows_is_set_aside_as_a_whole(archive, import_days, query):
    archive.put_metrics(DAY, archive.metrics_rows(DAY, 163))
    outcome = import_days(DAY, DAY, kinds=("metrics",))
    assert outcome.report.incomplete == ["BTC/USDT:USDT 2024-02-16: 163 of 288 rows"]
    assert outcome.report.refused == []
    assert query(OPEN_INTEREST).is_empty()
    assert query(LOADS).rows() == [("failed", 163, 0, 163)]
    assert query(RULES).rows() == [("day_complete", 163)]
    row = query("select row_json from raw.quarantine order by row_number limit 1").item()
    assert '"time": "2024-02-16 00:00:00"' in row and '"amount": "100.0"' in row


def test_a_day_that_lacks_ten_rows_is_stored_and_named(archive, import_days, query):
    archive.put_metrics(DAY, archive.metrics_rows(DAY, 278))
    assert import_days(DAY, DAY, kinds=("metrics",)).report.thin == ["BTC/USDT:USDT 2024-02-16: 278 of 288 rows"]
    assert query(OPEN_INTEREST).height == 278


def test_open_interest_of_zero_is_set_aside_and_the_rest_of_the_day_stays(archive, import_days, query):
    rows = archive.metrics_rows(DAY)
    rows[7] = f"{MIDNIGHT + timedelta(minutes=35)},BTCUSDT,0,0,1.1,1.2,0.9,0.8"
    archive.put_metrics(DAY, rows)
    import_days(DAY, DAY, kinds=("metrics",))
    assert query(OPEN_INTEREST).height == 287
    assert query(RULES).rows() == [("open_interest_positive", 1)]


def test_blank_open_interest_is_unknown_and_never_zero(archive, import_days, query):
    rows = archive.metrics_rows(DAY)
    rows[0] = f"{MIDNIGHT},BTCUSDT,,,1.1,1.2,0.9,0.8"
    rows[1] = f"{MIDNIGHT + timedelta(minutes=5)},BTCUSDT,101,,,,,"
    archive.put_metrics(DAY, rows)
    import_days(DAY, DAY, kinds=("metrics",))
    assert query(OPEN_INTEREST).row(0) == (MIDNIGHT + timedelta(minutes=5), 101.0, None)
    assert query(RULES).rows() == [("some_unit_known", 1)]


def test_a_day_whose_second_half_comes_later_is_completed_and_its_changes_are_revisions(archive, import_days, query):
    archive.put_metrics(DAY, archive.metrics_rows(DAY, 240))
    import_days(DAY, DAY, kinds=("metrics",))
    rows = archive.metrics_rows(DAY)
    rows[3] = f"{MIDNIGHT + timedelta(minutes=15)},BTCUSDT,999,9990,1.1,1.2,0.9,0.8"
    archive.put_metrics(DAY, rows)
    outcome = import_days(DAY, DAY, kinds=("metrics",))
    assert (outcome.report.read, outcome.report.known, outcome.report.rows_written) == (1, 0, 49)  # 48 new, 1 changed
    revisions = query(
        "select open_interest_base from raw.open_interest where observed_at = timestamp '2024-02-16 00:15:00' "
        "order by ingested_at"
    )
    assert revisions["open_interest_base"].to_list() == [103.0, 999.0]
    assert query("select count(*) from raw.load_batches where status = 'ok'").item() == 2


def test_half_a_day_that_was_set_aside_is_stored_once_it_is_whole(archive, import_days, query):
    archive.put_metrics(DAY, archive.metrics_rows(DAY, 144))
    import_days(DAY, DAY, kinds=("metrics",))
    archive.put_metrics(DAY, archive.metrics_rows(DAY))
    assert import_days(DAY, DAY, kinds=("metrics",)).report.rows_written == 288
    assert query("select count(*) from raw.quarantine").item() == 144  # what came first stays on record


def test_equal_rows_with_one_stamp_are_one_and_contradicting_ones_are_none(archive, import_days, query):
    rows = archive.metrics_rows(DAY)
    contradicting = f"{MIDNIGHT + timedelta(minutes=10)},BTCUSDT,5,50,1.1,1.2,0.9,0.8"
    archive.put_metrics(DAY, [rows[0], *rows, contradicting])
    import_days(DAY, DAY, kinds=("metrics",))
    assert query(OPEN_INTEREST).height == 287
    assert MIDNIGHT + timedelta(minutes=10) not in query(OPEN_INTEREST)["observed_at"].to_list()
    assert query(RULES).rows() == [("conflicting_duplicate", 2)]


def test_labels_from_five_past_midnight_to_midnight_are_the_days_own(archive, import_days, query):
    archive.put_metrics(DAY, archive.metrics_rows(DAY, first=1))
    import_days(DAY, DAY, kinds=("metrics",))
    assert query(OPEN_INTEREST)["observed_at"].to_list()[-1] == MIDNIGHT + timedelta(days=1)
    assert query(RULES).is_empty()


def test_two_files_that_both_speak_of_midnight_end_with_the_later_ones_word(archive, import_days, query):
    """The labels moved by five minutes in 2026: on that night both files have a row of 00:00, with other values."""
    after = DAY + timedelta(days=1)
    archive.put_metrics(DAY, archive.metrics_rows(DAY, first=1))  # its last row, 24:00, says 388
    archive.put_metrics(after, archive.metrics_rows(after, amount=500.0))  # its first row, 00:00, says 500
    import_days(DAY, after, kinds=("metrics",))
    midnight = "where observed_at = timestamp '2024-02-17 00:00:00' order by ingested_at"
    said = query(f"select open_interest_base from raw.open_interest {midnight}")["open_interest_base"]
    assert said.to_list() == [388.0, 500.0]
    assert query(RULES).is_empty()


def test_rows_of_another_day_or_another_symbol_are_set_aside(archive, import_days, query):
    rows = archive.metrics_rows(DAY)
    rows[0] = "2024-02-15 12:00:00,BTCUSDT,100,1000,1.1,1.2,0.9,0.8"
    rows[1] = rows[1].replace("BTCUSDT", "ETHUSDT")
    rows[2] = "yesterday,BTCUSDT,100,1000,1.1,1.2,0.9,0.8"
    archive.put_metrics(DAY, rows)
    import_days(DAY, DAY, kinds=("metrics",))
    assert query(RULES).rows() == [("inside_file", 1), ("row_readable", 1), ("symbol_of_file", 1)]
    assert query(OPEN_INTEREST).height == 285


def test_coin_margined_metrics_count_contracts_and_coins(archive, import_days, query):
    key = "data/futures/cm/daily/metrics/BTCUSD_PERP/BTCUSD_PERP-metrics-2024-02-16.zip"
    rows = [row.replace("BTCUSDT", "BTCUSD_PERP") for row in archive.metrics_rows(DAY)]
    header = "create_time,symbol,sum_open_interest,sum_open_interest_value"
    archive.put_table(key, [",".join(row.split(",")[:4]) for row in rows], header)
    import_days(DAY, DAY, "BTC/USD:BTC", kinds=("metrics",))
    columns = "symbol, open_interest_contracts, open_interest_base, open_interest_usd"
    first = query(f"select {columns} from raw.open_interest order by observed_at limit 1").row(0)
    assert first == ("BTC/USD:BTC", 100.0, 1000.0, None)


def test_funding_is_read_with_and_without_a_header_and_moved_onto_its_hour(archive, import_days, query):
    rows = [f"{ms(datetime(2024, 2, 1, 8)) + 3},8,0.0001", f"{ms(datetime(2024, 2, 1, 16))},8,-0.00025"]
    expected = [(datetime(2024, 2, 1, 8), 0.0001, None, None), (datetime(2024, 2, 1, 16), -0.00025, None, None)]
    sql = "select settled_at, funding_rate, interval_hours, mark_price from raw.funding_rates order by settled_at"
    archive.put_table(FUNDING, rows, FUNDING_HEADER)
    import_days(DAY, DAY, kinds=("funding",))
    assert query(sql).rows() == expected
    archive.put_table(FUNDING, rows)
    again = import_days(DAY, DAY, kinds=("funding",)).report
    assert (again.read, again.rows_written) == (1, 0)  # another file, the same facts
    assert query(sql).rows() == expected


def test_a_mark_price_that_is_known_is_not_lost_to_a_file_that_says_none(archive, import_days, query):
    settled = ms(datetime(2024, 2, 1, 8))
    archive.put_table(FUNDING, [f"{settled},8,0.0001,42000.5"], f"{FUNDING_HEADER},mark_price")
    import_days(DAY, DAY, kinds=("funding",))
    archive.put_table(FUNDING, [f"{settled},8,0.0001"], FUNDING_HEADER)
    assert import_days(DAY, DAY, kinds=("funding",)).report.rows_written == 0
    assert query("select mark_price from raw.funding_rates").rows() == [(42000.5,)]


def test_spot_stamps_turn_to_microseconds_in_2025(archive, import_days, query):
    for day, factor in ((date(2024, 12, 31), 1), (date(2025, 1, 1), 1000)):
        opens = ms(datetime.combine(day, datetime.min.time())) * factor
        row = f"{opens},10,12,9,11,5,{opens + 86_400_000 * factor - 1},55,0,0,0,0"
        archive.put_table(f"data/spot/daily/klines/BTCUSDT/1d/BTCUSDT-1d-{day}.zip", [row])
    import_days(date(2024, 12, 31), date(2025, 1, 1), kinds=("klines",))
    sql = "select symbol, opened_at, close, volume_base, volume_quote from raw.spot_ohlcv order by opened_at"
    assert query(sql).rows() == [
        ("BTC/USDT", datetime(2024, 12, 31), 11.0, 5.0, 55.0), ("BTC/USDT", datetime(2025, 1, 1), 11.0, 5.0, 55.0)
    ]  # fmt: skip


def test_candles_of_contracts_keep_their_units_and_mark_and_index_have_no_volume(archive, import_days, query):
    """One contract on BTC is 100 dollars: 7 contracts are 700 dollars, and the file says that they were 0.02 coins."""
    row = f"{ms(MIDNIGHT)},10,12,9,11,7,{ms(MIDNIGHT) + 86_399_999},0.02,0,0,0,0"
    places = (
        "um/daily/klines/BTCUSDT/1d/BTCUSDT-1d", "cm/daily/klines/BTCUSD_PERP/1d/BTCUSD_PERP-1d",
        "cm/daily/markPriceKlines/BTCUSD_PERP/1d/BTCUSD_PERP-1d", "cm/daily/indexPriceKlines/BTCUSD/1d/BTCUSD-1d",
    )  # fmt: skip
    for place in places:
        archive.put_table(f"data/futures/{place}-{DAY}.zip", [row], KLINE_HEADER)
    import_days(DAY, DAY, kinds=("klines", "mark", "index"))
    sql = "select symbol, price_type, volume_base, volume_quote from raw.futures_ohlcv order by all"
    assert query(sql).rows() == [
        ("BTC/USD:BTC", "index", None, None), ("BTC/USD:BTC", "last", 0.02, 700.0),
        ("BTC/USD:BTC", "mark", None, None), ("BTC/USDT:USDT", "last", 7.0, 0.02),
    ]  # fmt: skip


def test_a_row_without_a_price_goes_to_quarantine_as_it_stood(archive, import_days, query):
    good = f"{ms(MIDNIGHT)},10,12,9,11,7,0,70,0,0,0,0"
    key = "data/futures/um/monthly/klines/BTCUSDT/1d/BTCUSDT-1d-2024-02.zip"
    archive.put_table(key, [good, "1708128000000,10,,9,11"], KLINE_HEADER)
    import_days(date(2024, 2, 1), date(2024, 2, 29), kinds=("klines",))
    assert query("select count(*) from raw.futures_ohlcv").item() == 1
    assert query("select rule, row_json from raw.quarantine").rows() == [
        ("row_readable", '{"time": "1708128000000", "open": "10", "low": "9", "close": "11"}')
    ]
