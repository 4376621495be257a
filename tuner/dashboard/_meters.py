"""Measures of a stream that take a fixed amount of memory however long it is."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Curve", "DriversClock", "Rate"]


class Curve:
    """A step function of time, kept at no more than ``capacity`` evenly spaced points.

    When a new point would not fit, every second one is dropped and the spacing doubles.

    Args:
        start_s: Time of the first point.
        capacity: An even number of points, at least 2.
    """

    def __init__(self, start_s: float, capacity: int = 128) -> None:
        self._start_s, self._capacity = start_s, capacity
        self._spacing_s = 0.25
        self._points: list[float] = []

    def add(self, at_s: float, value: float) -> None:
        """The function has ``value`` from ``at_s`` on. Times that fall are taken for the latest one."""
        index = max(int((at_s - self._start_s) / self._spacing_s), len(self._points) - 1, 0)
        while index >= self._capacity:
            self._points = self._points[1::2]
            self._spacing_s *= 2
            index //= 2
        last = self._points[-1] if self._points else value
        self._points.extend([last] * (index + 1 - len(self._points)))
        self._points[index] = value

    def points(self, n: int) -> tuple[float, ...]:
        """At most ``n`` of the points, evenly chosen, the last one always among them."""
        held = self._points
        if len(held) <= n:
            return tuple(held)
        return tuple(held[(i + 1) * len(held) // n - 1] for i in range(n))


class Rate:
    """How often something happens: counts of the last minute, in buckets.

    Args:
        bucket_s: Width of a bucket.
        n_buckets: How many full buckets are looked back.
    """

    def __init__(self, bucket_s: float = 5.0, n_buckets: int = 12) -> None:
        self._bucket_s, self._n = bucket_s, n_buckets
        self._counts = [0] * (n_buckets + 1)
        self._stamps = [-1] * (n_buckets + 1)

    def add(self, at_s: float) -> None:
        """It happened once at ``at_s``."""
        bucket = int(at_s / self._bucket_s)
        slot = bucket % len(self._counts)
        if self._stamps[slot] != bucket:
            self._stamps[slot], self._counts[slot] = bucket, 0
        self._counts[slot] += 1

    def recent(self, now_s: float, since_s: float) -> tuple[int, float]:
        """(how often, in how many seconds) over the window that ends now and does not begin before ``since_s``."""
        bucket = int(now_s / self._bucket_s)
        n = sum(
            c
            for c, stamp in zip(self._counts, self._stamps, strict=True)
            if stamp >= 0 and 0 <= bucket - stamp <= self._n
        )
        return n, min(now_s - since_s, now_s - (bucket - self._n) * self._bucket_s)


@dataclass(slots=True)
class DriversClock:
    """The drivers' time: what earlier drivers ran, and when this one began."""

    earlier_s: float = 0.0
    since_s: float | None = None
    last_s: float = 0.0
    rate: Rate = field(default_factory=Rate)
    n_finished: int = 0
    cpu_s: float = 0.0

    def see(self, at_s: float) -> None:
        """Something happened at ``at_s``."""
        if self.since_s is None:
            self.since_s = at_s
        self.last_s = max(self.last_s, at_s)

    def resume(self, at_s: float) -> None:
        """A new driver took the study up."""
        if self.since_s is not None:
            self.earlier_s += max(self.last_s - self.since_s, 0.0)
        self.since_s, self.last_s, self.rate, self.n_finished, self.cpu_s = at_s, at_s, Rate(), 0, 0.0

    def finish(self, at_s: float) -> None:
        """A trial finished; those of earlier drivers do not count."""
        if self.since_s is not None and at_s >= self.since_s:
            self.rate.add(at_s)
            self.n_finished += 1

    def per_minute(self, now_s: float) -> float | None:
        """Trials that this driver finishes in a minute: of the last one, or on the whole when they are few."""
        if self.since_s is None or not self.n_finished:
            return None
        n, span_s = self.rate.recent(now_s, self.since_s)
        if n < 10:
            n, span_s = self.n_finished, now_s - self.since_s
        return 60.0 * n / max(span_s, 0.1)
