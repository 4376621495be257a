"""Several metrics at once: which points are worth having, and how much of the space they cover.

Everything here speaks of losses: points whose coordinates are all to be small (``selection.losses`` makes them).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

__all__ = ["Front", "exclusive", "hypervolume", "reference_point"]

Point = Sequence[float]
MARGIN = 0.1


class Front:
    """The points that no other one is at least as good as in everything. Points come one by one.

    With two coordinates the front is a staircase: a point costs O(log n) and what it pushes out. With more, each point is held
    against the whole front.

    Args:
        size: How many coordinates a point has, at least 1.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._points: list[tuple[float, ...]] = []  # with up to two coordinates in order of the first

    @property
    def points(self) -> list[tuple[float, ...]]:
        """The points now, each once, in order of the first coordinate."""
        return sorted(self._points) if self._size > 2 else list(self._points)

    def add(self, point: Point) -> bool:
        """Whether the front grew: False when a point of it is at least as good in everything, as an equal one is."""
        new = tuple(point)
        return self._step(new) if self._size <= 2 else self._compare(new)

    def _step(self, new: tuple[float, ...]) -> bool:
        points = self._points
        at = bisect_right(points, new)
        # To the left the first coordinate is as good or better, and the nearest one has the best last coordinate of those.
        if at and points[at - 1][-1] <= new[-1]:
            return False
        end = at
        while end < len(points) and points[end][-1] >= new[-1]:
            end += 1
        points[at:end] = [new]
        return True

    def _compare(self, new: tuple[float, ...]) -> bool:
        if any(_covers(old, new) for old in self._points):
            return False
        self._points = [old for old in self._points if not _covers(new, old)]
        self._points.append(new)
        return True


def _covers(a: Point, b: Point) -> bool:
    """Whether ``a`` is at least as good as ``b`` in everything."""
    return all(x <= y for x, y in zip(a, b, strict=True))


def reference_point(points: Iterable[Point]) -> tuple[float, ...]:
    """The corner from which hypervolume is measured: the worst of each coordinate, and a tenth of its range beyond.

    The tenth lets the extreme points of a front count, too (slightly beyond the nadir: Ishibuchi, Imada, Setoguchi, Nojima
    2018). A coordinate that is the same everywhere gets a tenth of its size, or 1 where it is 0.

    Args:
        points: At least one.
    """
    corner = []
    for column in zip(*points, strict=True):
        low, high = min(column), max(column)
        corner.append(high + (MARGIN * (high - low) or MARGIN * abs(high) or 1.0))
    return tuple(corner)


def hypervolume(points: Iterable[Point], reference: Point) -> float:
    """The volume between the points and the reference, exactly: how much of the space is at least as bad as some point.

    Two coordinates: one pass over the sorted front. Three: the same staircase, grown in order of the third coordinate. More:
    WFG (While, Bradstreet, Barone 2012), which cuts the points by one another; exponential in the number of coordinates,
    at home up to some hundred points of four or five.

    Args:
        points: Any number; those that are not better than the reference in everything add nothing.
        reference: As many coordinates.

    Returns:
        0.0 when no point is better than the reference in everything.
    """
    front = Front(len(reference))
    for point in points:
        if all(x < r for x, r in zip(point, reference, strict=True)):
            front.add(point)
    return _volume(front.points, tuple(reference))


def exclusive(point: Point, others: Iterable[Point], reference: Point) -> float:
    """How much the point adds to the hypervolume of the others.

    Cheaper than the difference of two hypervolumes: of the others only what lies behind the point matters.
    """
    box = 1.0
    for x, r in zip(point, reference, strict=True):
        if x >= r:
            return 0.0
        box *= r - x
    cut = Front(len(reference))
    for other in others:
        worse = [max(x, y) for x, y in zip(point, other, strict=True)]
        if all(x < r for x, r in zip(worse, reference, strict=True)):
            cut.add(worse)
    return box - _volume(cut.points, tuple(reference))


def _volume(front: list[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    if not front:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(front)[0]
    if len(reference) == 2:
        return _area(sorted(front), reference)
    if len(reference) == 3:
        return _slices(front, reference)
    return _wfg(front, reference)


def _area(staircase: Sequence[Point], reference: Point) -> float:
    area, above = 0.0, reference[1]
    for x, y in staircase:
        if y < above:
            area += (reference[0] - x) * (above - y)
            above = y
    return area


def _slices(front: Iterable[Point], reference: Point) -> float:
    """The third coordinate cuts the volume into slices, each the area of a staircase times its thickness."""
    volume = area = 0.0
    stairs: list[tuple[float, float]] = []
    last = 0.0
    for x, y, z in sorted(front, key=lambda point: point[2]):
        volume += area * (z - last)
        last = z
        at = bisect_left(stairs, (x, y))
        if at and stairs[at - 1][1] <= y:
            continue
        end = at
        while end < len(stairs) and stairs[end][1] >= y:
            end += 1
        right = stairs[end][0] if end < len(stairs) else reference[0]
        above = stairs[at - 1][1] if at else reference[1]
        # What the new step adds: the strip from it to where the next lower step begins, less what stood there already.
        under = [*stairs[at:end], (right, y)]
        height, begin = above, x
        for step_x, step_y in under:
            area += (step_x - begin) * (height - y)
            begin, height = step_x, step_y
        stairs[at:end] = [(x, y)]
    return volume + area * (reference[2] - last)


def _wfg(front: list[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    """The sum over the points of what each adds to those after it."""
    ordered = sorted(front, key=lambda point: point[-1], reverse=True)
    return sum(exclusive(point, ordered[index + 1 :], reference) for index, point in enumerate(ordered))
