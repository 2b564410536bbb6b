"""Seeded random series that keep their past: a longer series begins with exactly the shorter one."""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
KNOTS = 128  # draws of value noise that are made at once


def stream(seed: int, *names: object) -> np.random.Generator:
    """A random generator of its own for every (seed, names), independent of what else is asked for.

    Draws are taken in time order, so the first n draws do not depend on how many follow.
    """
    return np.random.default_rng([seed, zlib.crc32("/".join(map(str, names)).encode())])


def fat_tailed(rng: np.random.Generator, count: int, mixing: float = 0.35) -> Floats:
    """Standardised draws (mean 0, variance 1) with fat tails: a normal whose scale is lognormal.

    One (normal, scale) pair is drawn per step, which keeps the past when `count` grows.
    """
    pairs = rng.standard_normal((count, 2))
    return pairs[:, 0] * np.exp(mixing * pairs[:, 1] - mixing**2)


def mean_reverting(innovations: Floats, half_life_hours: float) -> Floats:
    """The series `x[t] = phi * x[t-1] + innovations[t]`, with phi from the half-life.

    Summed by doubling, log2(n) passes over the array; every element depends on earlier ones only.
    """
    series = innovations.copy()
    factor, step = 0.5 ** (1.0 / half_life_hours), 1
    while step < len(series) and factor > 1e-12:
        series[step:] += factor * series[:-step]
        factor, step = factor * factor, step * 2
    return series


def wobble(rng: np.random.Generator, count: int, half_life_hours: float, size: float) -> Floats:
    """A mean-reverting series around 0 whose standard deviation is `size` in the long run."""
    phi = 0.5 ** (1.0 / half_life_hours)
    return mean_reverting(rng.standard_normal(count) * (size * (1 - phi * phi) ** 0.5), half_life_hours)


def value_noise(
    seed: int, names: tuple[object, ...], first_hour: int, count: int, spacing_hours: int, size: float
) -> Floats:
    """Noise that any stretch of hours can be asked of without the hours before it.

    Normal draws of standard deviation `size` stand `spacing_hours` apart, with straight lines between them.
    They are made `KNOTS` at a time, keyed by their number.
    """
    first, last = first_hour // spacing_hours, (first_hour + count - 1) // spacing_hours + 1
    blocks = range(first // KNOTS, last // KNOTS + 1)
    draws = np.concatenate([stream(seed, *names, block).standard_normal(KNOTS) for block in blocks])
    at = (blocks[0] * KNOTS + np.arange(len(draws))) * float(spacing_hours)
    return size * np.interp(np.arange(first_hour, first_hour + count, dtype=np.float64), at, draws)


def decay(hours_since: Floats, half_life_hours: float) -> Floats:
    """1 at the event, halving every half-life, 0 before the event."""
    return np.where(hours_since >= 0, 0.5 ** (np.maximum(hours_since, 0) / half_life_hours), 0.0)


def path(hours: Floats, knots: Sequence[tuple[float, float]]) -> Floats:
    """Straight lines through (hour, value) knots, constant outside them."""
    at, values = zip(*knots, strict=True)
    return np.interp(hours, at, values)
