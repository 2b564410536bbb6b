"""The market of the first worked example: three sectors, one crowded rally that cools, one quiet, one swinging."""

from datetime import date

from pipelines.examples.script import Coin, CoinSeries, Line, Sector, write_script

LAST_DAY = date(2025, 6, 29)
DAY_COUNT = 180

# LOSING_MOMENTUM: open interest fell by 5% or more in 7 days, after funding had peaked at 2.5 bp or more within 28
# days, and funding is down to 60% of that peak or less. A rally of 27% on ever dearer leverage from day -38 to -15;
# from then on positions are closed, by 1.4% a day, while the price only sags.
_L1 = Sector(
    log_price=Line(path=((-38, 0.0), (-15, 0.24), (0, 0.20)), swing=((0, 0.012),)),
    funding_8h_bps=Line(path=((-38, 1.0), (-16, 4.8), (-14, 4.8), (-5, 1.6), (0, 1.4)), swing=((0, 0.12),)),
    log_open_interest=Line(path=((-38, 0.0), (-15, 0.32), (0, 0.11)), swing=((0, 0.004),)),
    volume=Line(path=((-38, 1.0), (-15, 1.3), (0, 1.1)), swing=((0, 0.03),)),
    phase=0.4,
)
# ACCUMULATION: low and steady funding (-1 to 1.5 bp, standard deviation of 14 days at most 1 bp), a price above that
# of 14 days ago, and 25% more volume in the last 7 days than in the 28 before. Rises by 8% from day -16 on; half as
# much volume again from day -6 on.
_DEFI = Sector(
    log_price=Line(path=((-16, 0.0), (0, 0.085)), swing=((0, 0.008),)),
    funding_8h_bps=Line(path=((0, 0.63),), swing=((0, 0.10),)),
    log_open_interest=Line(path=((-20, 0.0), (0, 0.04)), swing=((0, 0.004),)),
    volume=Line(path=((-7, 1.0), (-6, 1.5)), swing=((0, 0.02),)),
    phase=1.9,
)
# UNSTABLE: volatility in the upper fifth of its 90 days, and funding whose standard deviation is both above 1 bp and
# twice its median, or that changes its sign four times in 14 days. From day -16 on both swing five to fifteen times
# as far as before; open interest stays, and the swings cancel within three days, so that no other state is met.
_HIGH_BETA = Sector(
    log_price=Line(path=((0, 0.0),), swing=((-17, 0.02), (-14, 0.10))),
    funding_8h_bps=Line(path=((0, 0.5),), swing=((-17, 0.3), (-14, 5.0))),
    log_open_interest=Line(path=((0, 0.0),), swing=((0, 0.006),)),
    volume=Line(path=((0, 1.0),), swing=((0, 0.03),)),
    phase=2.6,
)
# Calm: the reference against which no sector may run away (the spread veto), without a weight of its own.
_STORE_OF_VALUE = Sector(
    log_price=Line(path=((0, 0.0),), swing=((0, 0.010),)),
    funding_8h_bps=Line(path=((0, 0.9),), swing=((0, 0.15),)),
    log_open_interest=Line(path=((0, 0.0),), swing=((0, 0.010),)),
    volume=Line(path=((0, 1.0),), swing=((0, 0.03),)),
    phase=3.3,
)


def market() -> list[CoinSeries]:
    """Every coin's series from 2025-01-01 to `LAST_DAY`."""
    return [
        *write_script(_STORE_OF_VALUE, [Coin("BTC", 60_000.0, 9e9)], DAY_COUNT),
        *write_script(
            _L1, [Coin("ETH", 2_000.0, 5e9), Coin("SOL", 160.0, 1.8e9), Coin("AVAX", 20.0, 3e8)], DAY_COUNT
        ),
        *write_script(_DEFI, [Coin("UNI", 8.0, 1.8e8), Coin("AAVE", 160.0, 1.7e8), Coin("CRV", 0.5, 9e7)], DAY_COUNT),
        *write_script(
            _HIGH_BETA, [Coin("FET", 0.8, 1.5e8), Coin("WLD", 1.0, 1.7e8), Coin("GALA", 0.02, 7e7)], DAY_COUNT
        ),
    ]
