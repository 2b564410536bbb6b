"""The metrics of a raw history, computed in plain Python straight from their formulas: slow, and nothing like SQL."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from math import ceil, floor, log, sqrt
from statistics import median, pstdev
from typing import Any

DAY = timedelta(days=1)
SECTOR_OF = {
    "BTC": "STORE_OF_VALUE", "ETH": "L1", "SOL": "L1", "AVAX": "L1", "ARB": "L2", "UNI": "DEFI", "AAVE": "DEFI",
    "DOGE": "MEMES", "PEPE": "MEMES",
}  # fmt: skip
CELO_MOVES = date(2025, 3, 26)  # from L1 to L2, in the seed
Series = dict[date, float | None]


def mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)


def window(series: Series, last: date, days: int, statistic: Callable[[list[float]], float]) -> float | None:
    """A statistic over the days that end on `last`, if two thirds of them are known."""
    known = [x for x in (series.get(last - n * DAY) for n in range(days)) if x is not None]
    return statistic(known) if len(known) >= ceil(days * 2 / 3) else None


def rounded(x: float | None) -> float | None:
    """Half away from zero, as SQL rounds; Python's own goes half to even on the decimal text."""
    return None if x is None else floor(abs(x) * 1e9 + 0.5) / 1e9 * (1 if x >= 0 else -1)


def pctl(series: Series, day: date) -> float | None:
    x = series[day]
    rank = lambda b: (sum(v < x for v in b) + 0.5 * sum(v == x for v in b)) / len(b)  # noqa: E731
    return None if x is None else window(series, day - DAY, 90, rank)


def z(series: Series, day: date, least: float) -> float | None:
    x = series[day]
    return None if x is None else window(series, day - DAY, 90, lambda b: (x - mean(b)) / max(pstdev(b), least))


class Oracle:
    """All series of the random market, day by day."""

    def __init__(self, history: Any, days: list[date]) -> None:
        self.days = days
        self.terms = {(r["exchange"], r["symbol"]): r for r in history.rows["instruments"]}
        self.close: dict[tuple[str, str], Series] = defaultdict(dict)
        self.volume: dict[tuple[str, str], Series] = defaultdict(dict)
        self.f8: dict[tuple[str, str], Series] = defaultdict(dict)
        self.coins: dict[tuple[str, str], dict[date, float]] = defaultdict(dict)
        lasts = [row for row in history.rows["futures_ohlcv"] if row["price_type"] == "last"]
        self._candles(lasts + history.rows["spot_ohlcv"])
        self._funding(history.rows["funding_rates"])
        self._believe(self._observations(history.rows["open_interest"]))
        self.assets = sorted({self.asset(key) for key in self.terms})
        self.data = {asset: {day: self._asset_day(asset, day) for day in days} for asset in self.assets}
        self.leaders = {day: self._leaders(day) for day in days}

    def asset(self, key: tuple[str, str]) -> str:
        return key[1].split("/")[0].removeprefix("1000")

    def units(self, key: tuple[str, str]) -> float:
        return self.terms[key]["contract_multiplier"]

    def perpetuals(self, asset: str) -> list[tuple[str, str]]:
        return [key for key in self.terms if ":" in key[1] and self.asset(key) == asset]

    def _candles(self, rows: list[dict[str, Any]]) -> None:
        by_day = defaultdict(list)
        for row in rows:
            by_day[row["exchange"], row["symbol"], row["opened_at"].date()].append(row)
        for (exchange, symbol, day), candles in by_day.items():
            key, hours = (exchange, symbol), 8 if candles[0]["timeframe"] == "8h" else 24
            ending = [
                r for r in candles if r["opened_at"] + timedelta(hours=hours) == datetime.combine(day + DAY, time())
            ]
            if ending:
                self.close[key][day] = ending[0]["close"] / self.units(key)
            if len(candles) * hours >= 16:
                quoted = [r["volume_quote"] or r["volume_base"] * r["close"] for r in candles]
                self.volume[key][day] = sum(quoted)

    def _funding(self, rows: list[dict[str, Any]]) -> None:
        by_key = defaultdict(list)
        for row in rows:
            by_key[row["exchange"], row["symbol"]].append(row)
        for key, settlements in by_key.items():
            settlements.sort(key=lambda r: r["settled_at"])
            sums: dict[date, list[float]] = defaultdict(lambda: [0.0, 0.0])
            for previous, row in zip([None, *settlements], settlements, strict=False):
                hours = row["interval_hours"]
                if hours is None and previous is not None:
                    gap = (row["settled_at"] - previous["settled_at"]) / timedelta(hours=1)
                    hours = min((1, 2, 4, 6, 8, 12, 24), key=lambda h: (abs(h - gap), h)) if gap <= 24 else None
                if hours is not None:
                    total = sums[(row["settled_at"] - timedelta(microseconds=1)).date()]
                    total[0] += row["funding_rate"]
                    total[1] += hours
            self.f8[key] = {day: 1e4 * 8 * rate / hours for day, (rate, hours) in sums.items() if hours >= 16}

    def _observations(self, rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[date, dict[str, Any]]]:
        found: dict[tuple[str, str], dict[date, dict[str, Any]]] = defaultdict(dict)
        by_key = defaultdict(list)
        for row in rows:
            by_key[row["exchange"], row["symbol"]].append(row)
        for key, observed in by_key.items():
            for day in self.days:
                end = datetime.combine(day + DAY, time())
                near = [r for r in observed if -120 <= (r["observed_at"] - end) / timedelta(minutes=1) <= 10]
                start = end - DAY + timedelta(minutes=10)
                inside = [r for r in observed if start < r["observed_at"] < end]
                if near:
                    found[key][day] = min(near, key=lambda r: (abs(r["observed_at"] - end), r["observed_at"]))
                elif inside:
                    found[key][day] = max(inside, key=lambda r: r["observed_at"])
        return found

    def _believe(self, observations: dict[tuple[str, str], dict[date, dict[str, Any]]]) -> None:
        """Coins of the day after the rules for exchanges that are not to be believed; price outliers go first."""
        self.departed: set[tuple[date, str, str]] = set()
        self.carried: set[tuple[date, tuple[str, str]]] = set()
        observed_before: dict[tuple[str, str], float] = {}
        for day in self.days:
            observed_today: dict[tuple[str, str], float] = {}
            for asset in sorted({self.asset(key) for key in self.terms}):
                perpetuals = self.perpetuals(asset)
                self._drop_departed(asset, day, perpetuals)
                price = self._price(asset, day)
                now: dict[tuple[str, str], float] = {}
                for key in perpetuals:
                    if (day, asset, key[0]) in self.departed:
                        continue
                    row = observations[key].get(day)
                    coins = None if row is None else self._in_coins(key, row, self.close[key].get(day) or price)
                    if coins is not None:
                        now[key] = observed_today[key] = coins
                    elif key in observed_before:
                        now[key] = observed_before[key]
                        self.carried.add((day, key))
                changes = {}
                for exchange in {key[0] for key in now}:
                    both = [k for k in now if k[0] == exchange and day - DAY in self.coins[k]]
                    changes[exchange] = (sum(now[k] for k in both), sum(self.coins[k][day - DAY] for k in both))
                for exchange, (after, before) in changes.items():
                    others = [c for e, c in changes.items() if e != exchange]
                    old = sum(c[1] for c in others)
                    if not before or not old:
                        continue
                    moved = abs(sum(c[0] for c in others) / old - 1)
                    if abs(after / before - 1) > 0.60 and moved < 0.10:
                        for key in [k for k in now if k[0] == exchange]:
                            del now[key]
                            observed_today.pop(key, None)
                for key, coins in now.items():
                    self.coins[key][day] = coins
            observed_before = observed_today

    def _drop_departed(self, asset: str, day: date, perpetuals: list[tuple[str, str]]) -> None:
        closes = defaultdict(list)
        for key in perpetuals:
            if self.close[key].get(day):
                closes[key[0]].append(self.close[key][day])
        prices = {exchange: median(values) for exchange, values in closes.items()}
        for exchange, price in prices.items():
            others = [p for e, p in prices.items() if e != exchange]
            if len(others) >= 2 and min(abs(price / median(x) - 1) for x in (others, prices.values())) > 0.02:
                self.departed.add((day, asset, exchange))

    def _price(self, asset: str, day: date) -> float | None:
        closes = [
            self.close[key][day]
            for key in self.perpetuals(asset)
            if self.close[key].get(day) and (day, asset, key[0]) not in self.departed
        ]
        return median(closes) if closes else None

    def _in_coins(self, key: tuple[str, str], row: dict[str, Any], price: float | None) -> float | None:
        terms = self.terms[key]
        if row["open_interest_base"] is not None:
            return row["open_interest_base"] * self.units(key)
        contracts = row.get("open_interest_contracts")
        if contracts is not None and terms["is_linear"]:
            return contracts * terms["contract_size"] * self.units(key)
        usd = row.get("open_interest_usd") if contracts is None else contracts * terms["contract_size"]
        return None if price is None else usd / price

    def _asset_day(self, asset: str, day: date) -> dict[str, Any]:
        keys = [k for k in self.perpetuals(asset) if (day, asset, k[0]) not in self.departed]
        price = self._price(asset, day)

        def at(key: tuple[str, str], day: date) -> float | None:
            dropped = (day, asset, key[0]) in self.departed
            return (None if dropped else self.close[key].get(day)) or self._price(asset, day)

        usd = {k: self.coins[k][day] * at(k, day) for k in keys if day in self.coins[k] and at(k, day)}
        volumes = [v for k in keys if (v := self.volume[k].get(day)) is not None]
        funded = [k for k in keys if self.f8[k].get(day) is not None]
        recent = {}
        for k in funded:
            kept = {d: v for d, v in self.volume[k].items() if (d, asset, k[0]) not in self.departed}
            recent[k] = window(kept, day, 7, mean)
        weights = usd if all(k in usd for k in funded) else recent if all(recent.values()) else dict.fromkeys(funded, 1)
        both = [k for k in keys if {day, day - DAY} <= self.coins[k].keys() and at(k, day - DAY) is not None]
        before = sum(self.coins[k][day - DAY] * at(k, day - DAY) for k in both)
        valued = [k for k in both if at(k, day) is not None]
        spot = self.close[("binance", f"{asset}/USDT")].get(day)
        return {
            "price": price,
            "spot": None if (day, asset, "binance") in self.departed else spot,
            "oi": sum(usd.values()) if usd else None,
            "volume": sum(volumes) if volumes else None,
            "f8": sum(self.f8[k][day] * weights[k] for k in funded) / sum(weights[k] for k in funded)
            if funded
            else None,
            "step": (sum(self.coins[k][day] * at(k, day - DAY) for k in both), before) if both else None,
            "step_usd": (
                sum(self.coins[k][day] * at(k, day) for k in valued),
                sum(self.coins[k][day - DAY] * at(k, day - DAY) for k in valued),
            )
            if valued
            else None,
        }

    def sector(self, asset: str, day: date) -> str:
        return ("L1" if day < CELO_MOVES else "L2") if asset == "CELO" else SECTOR_OF[asset]

    def _leaders(self, day: date) -> dict[str, dict[str, tuple[float, float]]]:
        """Per sector: asset -> (median open interest, weight), the largest first."""
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for asset in self.assets:
            usd = [x for n in range(30) if (x := self.data[asset].get(day - n * DAY, {}).get("oi")) is not None]
            candles = [self.close[k] | self.volume[k] for k in self.perpetuals(asset)]
            is_listed = asset != "AAVE" or (day - min(min(c) for c in candles if c)).days >= 90
            if len(usd) >= 15 and is_listed:
                found[self.sector(asset, day)][asset] = median(usd)
        leaders = {}
        for sector, medians in found.items():
            top = sorted(medians.items(), key=lambda item: (-item[1], item[0]))[:5]
            leaders[sector] = {a: (m, w) for (a, m), w in zip(top, capped([m for _, m in top]), strict=True)}
        return leaders

    def sector_series(self, sector: str) -> dict[str, Series]:
        series: dict[str, Series] = defaultdict(dict)
        for day in self.days:
            led = self.leaders[day].get(sector, {})
            others = [
                (m, f)
                for s, assets in self.leaders[day].items()
                for a, (m, _) in assets.items()
                if s != sector and (f := self.data[a][day]["f8"]) is not None
            ]
            series["f8"][day] = rounded(weighted((w, self.data[a][day]["f8"]) for a, (_, w) in led.items()))
            series["rest"][day] = weighted(others)
            series["vr"][day] = self._volume_ratio(led, day)
            valid = [m for a, (m, _) in led.items() if None not in (self.data[a][day][k] for k in NEEDED)]
            series["coverage"][day] = rounded(sum(valid) / sum(m for m, _ in led.values())) if led else 0.0
            led_before = self.leaders.get(day - DAY, {}).get(sector, {})
            for name, part in (("I", "step"), ("J", "step_usd")):
                steps = [x for a in led_before if (x := self.data[a][day][part]) is not None]
                series["d" + name][day] = sum(x[0] for x in steps) / sum(x[1] for x in steps) - 1 if steps else None
            for name, price in (("F", "price"), ("S", "spot")):
                moves = ((w, self._move(a, price, day)) for a, (_, w) in led_before.items())
                series["d" + name][day] = weighted(moves)
        for name in "IJFS":
            series[name] = chain(series["d" + name], self.days)
        return series

    def _move(self, asset: str, price: str, day: date) -> float | None:
        now, before = self.data[asset][day][price], self.data[asset][day - DAY][price]
        return None if now is None or before is None else now / before - 1

    def _volume_ratio(self, led: dict[str, tuple[float, float]], day: date) -> float | None:
        pairs = []
        for asset in led:
            volume = {d: x["volume"] for d, x in self.data[asset].items()}
            pairs.append((window(volume, day, 7, mean), window(volume, day - 7 * DAY, 28, mean)))
        known = [pair for pair in pairs if None not in pair]
        return rounded(sum(r for r, _ in known) / sum(p for _, p in known)) if known else None


NEEDED = ("f8", "oi", "price", "volume")


def weighted(pairs: Iterable[tuple[float, float | None]]) -> float | None:
    known = [(w, x) for w, x in pairs if x is not None]
    return sum(w * x for w, x in known) / sum(w for w, _ in known) if known else None


def capped(sizes: list[float]) -> list[float]:
    """Shares under a cap of 0.40: whoever exceeds it gets it, the rest share what is left, again and again."""
    if len(sizes) * 0.4 <= 1:
        return [1 / len(sizes)] * len(sizes)
    full: set[int] = set()
    while True:
        free = sum(x for n, x in enumerate(sizes) if n not in full)
        shares = [0.4 if n in full else (1 - 0.4 * len(full)) * x / free for n, x in enumerate(sizes)]
        over = {n for n, share in enumerate(shares) if share > 0.4}
        if not over:
            return shares
        full |= over


def chain(steps: Series, days: list[date]) -> Series:
    level, levels = 100.0, dict.fromkeys(days)
    known = [day for day in days if steps[day] is not None]
    for day in known:
        level *= 1 + steps[day]
        levels[day] = level
    if known and known[0] - DAY in levels:
        levels[known[0] - DAY] = 100.0
    return levels


def change(level: Series, day: date, days: int) -> float | None:
    now, before = level.get(day), level.get(day - days * DAY)
    return None if now is None or before is None else rounded(now / before - 1)


def logs(level: Series) -> Series:
    return {day: None if x is None else log(x) for day, x in level.items()}


def metrics_of(series: dict[str, Series], days: list[date]) -> dict[str, Series]:
    """The columns of the sector marts that a rule or a reader uses."""
    f8, prices = series["f8"], logs(series["F"])
    found: dict[str, Series] = {"funding_8h_bps": f8, "volume_ratio_7d_28d": series["vr"]}
    found["coverage_frac"] = series["coverage"]
    found["spot_return_1d_frac"] = {d: rounded(x) for d, x in series["dS"].items()}
    means = {d: window(f8, d, 3, mean) for d in days}
    rests = {d: window(series["rest"], d, 3, mean) for d in days}
    found["market_excess_bps"] = {
        d: None if None in (means[d], rests[d]) else rounded(means[d] - rests[d]) for d in days
    }
    f = found["funding_3d_bps"] = {d: rounded(means[d]) for d in days}
    stdev = found["funding_stdev_14d_bps"] = {d: rounded(window(f8, d, 14, pstdev)) for d in days}
    momentum = found["momentum_14d_frac"] = {d: change(series["F"], d, 14) for d in days}
    returns = {d: None if None in (prices[d], prices.get(d - DAY)) else prices[d] - prices[d - DAY] for d in days}
    volatility = {d: rounded(window(returns, d, 14, lambda r: pstdev(r) * sqrt(365))) for d in days}
    per_day: dict[str, Callable[[date], float | None]] = {
        "funding_pctl_90d": lambda d: rounded(pctl(f, d)),
        "funding_z_90d": lambda d: rounded(z(f, d, 0.25)),
        "funding_peak_28d_bps": lambda d: window(f, d, 28, max),
        "funding_stdev_median_90d_bps": lambda d: rounded(window(stdev, d - DAY, 90, median)),
        "funding_sign_flips_14d": lambda d: window(f8, d, 14, flips),
        "open_interest_change_7d_frac": lambda d: change(series["I"], d, 7) if steps_known(series["dI"], d) else None,
        "open_interest_z_90d": lambda d: rounded(z(logs(series["I"]), d, 0.01)),
        "open_interest_usd_z_90d": lambda d: rounded(z(logs(series["J"]), d, 0.01)),
        "momentum_14d_peak_28d_frac": lambda d: window(momentum, d, 28, max),
        "volatility_14d_annualised": lambda d: volatility[d],
        "volatility_pctl_90d": lambda d: rounded(pctl(volatility, d)),
    }
    for name, of in per_day.items():
        found[name] = {d: of(d) for d in days}
    return found


def flips(newest_first: list[float]) -> int:
    signs = [x > 0 for x in newest_first if abs(x) >= 0.5]
    return sum(a != b for a, b in pairwise(signs))


def steps_known(steps: Series, day: date) -> bool:
    return all(steps.get(day - n * DAY) is not None for n in range(7))
