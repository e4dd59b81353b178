"""The tail of a sum of ranks drawn without replacement, where counting it out takes too long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_MAX_VALUES: Final = 192
_MAX_ROUNDS: Final = 60
_CLOSE: Final = 1e-9


def approximate_tail(pooled: Sequence[int], scores: Sequence[int], drawn: int, total: int) -> float:
    """The chance of a sum of scores as far out as *total*, on its side.

    The double saddlepoint approximation to a permutation test (Booth & Butler 1990, after Robinson
    1982 and Skovgaard 1987): unlike the normal one it holds far out in the tail and for a small
    group beside a large one.

    Args:
        pooled: how many hold each value.
        scores: the score of each value, ascending.
        drawn: how many are drawn.
        total: what their scores add up to.
    """
    size = sum(pooled)
    mean = math.fsum(score * count for score, count in zip(scores, pooled, strict=True)) / size
    side = 1 if total >= drawn * mean else -1
    span = _find_span(pooled, scores)
    unit = math.sqrt(
        math.fsum(count * (score - mean) ** 2 for score, count in zip(scores, pooled, strict=True))
        / size
    )
    weights, places = _coarsen(pooled, [side * (score - mean) / unit for score in scores])
    # A sum on a lattice is met half a step before.
    step = span / unit
    wanted = abs(total - drawn * mean) / unit - step / 2
    found = _solve(weights, places, drawn / size, drawn, wanted)
    if found is None:
        return 1.0
    tilt, gain, spread = found
    w = math.sqrt(max(0.0, 2 * gain))
    if w < 1e-3:
        return 0.5
    u = (2 / step) * math.sinh(min(600.0, step * tilt / 2)) * spread
    tail = _NORMAL.cdf(-w) + math.exp(-w * w / 2) / math.sqrt(2 * math.pi) * (1 / u - 1 / w)
    return min(1.0, max(0.0, tail))


def _find_span(pooled: Sequence[int], scores: Sequence[int]) -> int:
    """By how much two sums of scores differ at least."""
    held = [score for score, count in zip(scores, pooled, strict=True) if count]
    return math.gcd(*(score - held[0] for score in held))


def _coarsen(
    pooled: Sequence[int], places: Sequence[float]
) -> tuple[Sequence[int], Sequence[float]]:
    """Neighbours taken together until few are left; their ranks differ little."""
    if len(pooled) <= _MAX_VALUES:
        return pooled, places
    room = sum(pooled) / _MAX_VALUES
    weights, middles = [], []
    weight, moment = 0, 0.0
    for count, place in zip(pooled, places, strict=True):
        weight += count
        moment += count * place
        if weight >= room:
            weights.append(weight)
            middles.append(moment / weight)
            weight, moment = 0, 0.0
    if weight:
        weights.append(weight)
        middles.append(moment / weight)
    return weights, middles


def _solve(
    weights: Sequence[int], places: Sequence[float], share: float, drawn: int, wanted: float
) -> tuple[float, float, float] | None:
    """The tilt under which *wanted* is expected, what it gains, and how wide the sum is there.

    None where the tilt would be none, or no finite one will do.
    """
    offset, tilt = 0.0, wanted / (drawn * (1 - share))
    value, gradient, curvature = _measure(weights, places, share, (offset, tilt), drawn, wanted)
    for _ in range(_MAX_ROUNDS):
        ss, st, tt = curvature
        determinant = ss * tt - st * st
        if determinant <= 0:
            return None
        step_s = (tt * gradient[0] - st * gradient[1]) / determinant
        step_t = (ss * gradient[1] - st * gradient[0]) / determinant
        scale = 1.0
        while True:
            tried = (offset - scale * step_s, tilt - scale * step_t)
            measured = _measure(weights, places, share, tried, drawn, wanted)
            if measured[0] <= value + 1e-12 or scale < 1e-6:
                break
            scale /= 2
        offset, tilt = tried
        value, gradient, curvature = measured
        if abs(step_s) + abs(step_t) < _CLOSE * (1 + abs(tilt)):
            break
    if tilt <= 0:
        return None
    ss, st, tt = curvature
    free = sum(weights) * share * (1 - share)
    return tilt, -value, math.sqrt(max(1e-300, (ss * tt - st * st) / free))


def _measure(
    weights: Sequence[int],
    places: Sequence[float],
    share: float,
    at: tuple[float, float],
    drawn: int,
    wanted: float,
) -> tuple[float, tuple[float, float], tuple[float, float, float]]:
    """The cumulants' function less its line at a point, with its slopes and curvatures."""
    offset, tilt = at
    value = -offset * drawn - tilt * wanted
    to_s, to_t = -float(drawn), -wanted
    ss = st = tt = 0.0
    odds = share / (1 - share)
    log_rest = math.log1p(-share)
    for weight, place in zip(weights, places, strict=True):
        power = offset + tilt * place
        if power > 0:
            small = math.exp(-power)
            whole = odds + small
            chance = odds / whole
            value += weight * (log_rest + power + math.log(whole))
        else:
            grown = odds * math.exp(power)
            chance = grown / (1 + grown)
            value += weight * (log_rest + math.log1p(grown))
        expected = weight * chance
        to_s += expected
        to_t += expected * place
        varied = expected * (1 - chance)
        ss += varied
        st += varied * place
        tt += varied * place * place
    return value, (to_s, to_t), (ss, st, tt)
