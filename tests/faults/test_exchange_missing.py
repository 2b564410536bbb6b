"""An exchange that is gone for a night, for a week or from the start: the others go on, and its gap fills itself."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.clock import decision_instant
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy import load_policy
from pipelines.raw.session import IngestSession
from pipelines.settings import load_settings
from warehouse.connection import Warehouse

EXCHANGES = ("binance", "bybit")
FACTS = {
    "spot_ohlcv": "exchange, symbol, opened_at, close",
    "futures_ohlcv": "exchange, symbol, price_type, opened_at, close",
    "funding_rates": "exchange, symbol, settled_at, funding_rate",
    "open_interest": "exchange, symbol, observed_at, open_interest_base",
}


class Nights:
    """Ingestions of the small market, night after night, into one warehouse."""

    def __init__(self, market: Path, folder: Path) -> None:
        self._market, self._folder = market, folder

    def read(self, day: date, missing: str | None = None) -> dict[str, Any]:
        """One night; `missing` cannot be reached. Gives each exchange's report."""
        faults = self._folder.with_name(f"{self._folder.name}-{day}.json")
        rules = [{"kind": "geo_blocked", "exchange": missing}] if missing else []
        faults.write_text(json.dumps({"faults": rules}))
        now = decision_instant(day)
        with LocalExchangeProcess("recorded", self._market, now=now, faults=faults) as server:
            settings = load_settings(
                source="recorded", data=self._market, exchange_url=server.url, warehouse_dir=self._folder,
                exchanges=EXCHANGES, ingest={"retry_seconds": 0, "rate_limit": "off"},
            )  # fmt: skip
            warehouse = Warehouse(self._folder)
            with IngestSession(settings, load_policy(), warehouse, f"night {day}", EXCHANGES, day, day) as session:
                return {name: session.report(name) for name in EXCHANGES}

    def facts(self, first_day: date) -> dict[str, list[tuple[Any, ...]]]:
        """What is stored of the days from `first_day` on: earlier days depend on how far back the first night read."""
        with Warehouse(self._folder).open_build() as connection:
            return {
                table: connection.execute(
                    f"select {columns} from raw.{table} where {columns.split(', ')[-2]} >= $1 order by all", [first_day]
                ).fetchall()
                for table, columns in FACTS.items()
            }


@pytest.fixture(scope="module")
def days(market_days) -> list[date]:
    """The last ten days of the small market."""
    return [market_days[1] - timedelta(days=back) for back in range(9, -1, -1)]


@pytest.fixture(scope="module")
def undisturbed(small_market, days, tmp_path_factory) -> dict[str, list[tuple[Any, ...]]]:
    nights = Nights(small_market, tmp_path_factory.mktemp("undisturbed"))
    nights.read(days[0])
    nights.read(days[-1])
    return nights.facts(days[0] - timedelta(days=20))


@pytest.mark.parametrize(("missing_from", "missing_until"), [(1, 8), (0, 8)], ids=["week", "start"])
def test_the_gap_of_a_missing_exchange_fills_itself_on_the_next_good_night(
    small_market, days, undisturbed, tmp_path, missing_from, missing_until
):
    nights = Nights(small_market, tmp_path / "warehouse")
    for number in sorted({0, missing_until - 1}):
        is_missing = missing_from <= number < missing_until
        reports = nights.read(days[number], "bybit" if is_missing else None)
        assert reports["binance"].blocked is None and reports["binance"].rows_received > 0
        assert (reports["bybit"].blocked is not None) == is_missing
    assert nights.facts(days[0] - timedelta(days=20)) != undisturbed
    reports = nights.read(days[-1])
    assert reports["bybit"].blocked is None and not reports["bybit"].failures
    assert nights.facts(days[0] - timedelta(days=20)) == undisturbed
