"""Finding the point at which an acquisition function is largest, over ranges, grids, choices and conditions alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tuner.samplers._encoding import Encoding, Rows

__all__ = ["search"]

Array = NDArray[np.float64]

_AROUND = np.array([0.2, 0.05, 0.01])
_PARENTS, _CHILDREN, _APART = 6, 24, 0.05
_LISTED = 200
_STEPS = (0.15, 0.08, 0.04, 0.02, 0.01, 0.005, 0.002)


def search(
    encoding: Encoding, worth: Callable[[Rows], Array], best: Rows, rng: np.random.Generator, draws: int = 768
) -> Rows:
    """Rows by falling worth, shape (k, d), snapped: where the local searches ended, then what they began with.

    Uniform draws and perturbations of the best points known are judged; from the most promising of them, rounds of ever
    smaller random steps go uphill, all of them at once. Forbidden combinations are dropped on the way.

    Args:
        encoding: The space.
        worth: Snapped rows, shape (m, d) -> what they are worth, shape (m,).
        best: Rows to perturb, best first, shape (b, d).
        rng: The only source of chance.
        draws: How many uniform draws.
    """
    pool = [encoding.draw(rng, draws)]
    if len(best):
        each = -(-draws // (2 * len(best)))
        parents = _filled(encoding, np.repeat(best, each, axis=0), rng)
        pool.append(_children(encoding, parents, _AROUND[rng.integers(0, len(_AROUND), len(parents))][:, None], rng))
        pool.append(_filled(encoding, best, rng))
    rows = np.vstack(pool)
    rows = rows[encoding.allowed(encoding.snap(rows))]
    if not len(rows):
        return rows
    values = worth(encoding.snap(rows))
    order = np.argsort(-values, kind="stable")[:_LISTED]
    pool_rows = rows[order]
    rows, values = _best_apart(pool_rows, values[order])
    for step in _STEPS:
        rows, values = _climb(encoding, worth, rows, values, step, rng)
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


def _climb(
    encoding: Encoding, worth: Callable[[Rows], Array], rows: Rows, values: Array, step: float, rng: np.random.Generator
) -> tuple[Rows, Array]:
    """One round: every parent gives way to its best child, if that is better."""
    children = _children(encoding, np.repeat(rows, _CHILDREN, axis=0), np.array(step), rng)
    snapped = encoding.snap(children)
    judged = worth(snapped)
    judged[~encoding.allowed(snapped)] = -np.inf
    table = judged.reshape(len(rows), _CHILDREN)
    chosen = table.argmax(axis=1)
    better = table[np.arange(len(rows)), chosen] > values
    picked = children.reshape(len(rows), _CHILDREN, -1)[np.arange(len(rows)), chosen]
    return np.where(better[:, None], picked, rows), np.where(better, table.max(axis=1), values)


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
