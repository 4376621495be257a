"""Finding the point at which an acquisition function is largest, over ranges, grids, choices and conditions alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.samplers._encoding import Encoding, Rows

__all__ = ["Worth", "search"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Worth:
    """What to look for.

    Attributes:
        judge: Snapped rows, shape (m, d) -> how much each is worth, shape (m,).
        best: Rows to look around, best first, shape (b, d).
    """

    judge: Callable[[Rows], Array]
    best: Rows


_AROUND = np.array([0.2, 0.05, 0.01])
_PARENTS, _APART = 6, 0.05
_LISTED = 200
_STEPS = (0.15, 0.08, 0.04, 0.02, 0.01, 0.005, 0.002)


def search(encoding: Encoding, worth: Worth, rng: np.random.Generator, *, draws: int = 768, children: int = 24) -> Rows:
    """Rows by falling worth, shape (k, d), snapped: where the local searches ended, then what they began with.

    Uniform draws and perturbations of the best points known are judged; from the most promising of them, rounds of ever
    smaller random steps go uphill, all of them at once. Forbidden combinations are dropped on the way.

    Args:
        encoding: The space.
        worth: What to look for, and around which rows.
        rng: The only source of chance.
        draws: How many uniform draws, and how many perturbations of the best rows.
        children: How many neighbours each point of a local search has in each round.
    """
    best = worth.best
    pool = [encoding.draw(rng, draws)]
    if len(best):
        each = -(-draws // len(best))
        parents = _filled(encoding, np.repeat(best, each, axis=0), rng)
        pool.append(_children(encoding, parents, _AROUND[rng.integers(0, len(_AROUND), len(parents))][:, None], rng))
        pool.append(_filled(encoding, best, rng))
    rows = np.vstack(pool)
    rows = rows[encoding.allowed(encoding.snap(rows))]
    if not len(rows):
        return rows
    values = worth.judge(encoding.snap(rows))
    order = np.argsort(-values, kind="stable")[:_LISTED]
    pool_rows = rows[order]
    rows, values = _best_apart(pool_rows, values[order])
    for step in _STEPS:
        offspring = _children(encoding, np.repeat(rows, children, axis=0), np.array(step), rng)
        rows, values = _climbed(encoding, worth, rows, values, offspring)
    return encoding.snap(np.vstack([rows[np.argsort(-values, kind="stable")], pool_rows]))


def _best_apart(rows: Rows, values: Array) -> tuple[Rows, Array]:
    """The first few rows, best first, that do not lie next to each other."""
    kept: list[int] = []
    for i in range(len(rows)):
        if all(np.abs(rows[i] - rows[k]).max() > _APART for k in kept):
            kept.append(i)
        if len(kept) == _PARENTS:
            break
    return rows[kept], values[kept]


def _climbed(encoding: Encoding, worth: Worth, rows: Rows, values: Array, children: Rows) -> tuple[Rows, Array]:
    """Every parent, shape (k, d), gives way to the best of its children, shape (k c, d), if that one is better."""
    snapped = encoding.snap(children)
    judged = worth.judge(snapped)
    judged[~encoding.allowed(snapped)] = -np.inf
    table = judged.reshape(len(rows), -1)
    parents, chosen = np.arange(len(rows)), table.argmax(axis=1)
    picked = children.reshape(*table.shape, -1)[parents, chosen]
    better = table[parents, chosen] > values
    return np.where(better[:, None], picked, rows), np.where(better, table[parents, chosen], values)


def _filled(encoding: Encoding, rows: Rows, rng: np.random.Generator) -> Rows:
    """Rows with random numbers in the place of inactive parameters, which a change of their parents may switch on."""
    unknown = np.isnan(rows)
    return np.where(unknown, encoding.draw(rng, len(rows)), rows) if unknown.any() else rows


def _children(encoding: Encoding, rows: Rows, step: Array, rng: np.random.Generator) -> Rows:
    """One random neighbour of each row: some ranges moved by normal steps, some choices drawn anew."""
    m, d = rows.shape
    moved = rng.random((m, d)) < rng.choice([1.5 / d, 0.4, 1.0], (m, 1))
    moved[np.arange(m), rng.integers(0, d, m)] = True
    noise, fresh = rng.standard_normal((m, d)), rng.random((m, d))
    redraw = rng.random((m, d))
    result = rows.copy()
    for j, axis in enumerate(encoding.axes):
        if axis.kind == "choice":
            n = axis.n or 1
            flip = moved[:, j] & (redraw[:, j] < 0.35)
            result[flip, j] = np.minimum(np.floor(fresh[flip, j] * n), n - 1.0)
        else:
            width = np.maximum(step, 0.6 / axis.n if axis.n else 0.0)
            place = rows[:, j] + noise[:, j] * np.broadcast_to(np.squeeze(width), (m,))
            place = np.abs(place)
            place = np.where(place > 1.0, 2.0 - place, place)
            result[moved[:, j], j] = np.clip(place, 0.0, 1.0)[moved[:, j]]
    return result
