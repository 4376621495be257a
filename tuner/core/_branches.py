"""Which parameters tell kinds of attempts apart whose memory follows other laws, so that each kind is learned by itself."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.core._expert import BASE, FIRST, Seen, plain
from tuner.core._gaussian import GaussianProcess
from tuner.space import Categorical, SearchSpace
from tuner.trial import Params, ParamValue

__all__ = ["Branches"]

Key = tuple[tuple[bool, ParamValue], ...]

MOST = 12  # branches
CHOICES = 8  # of a parameter that conditions do not hang on
LOOKS = {32: 0.6, 64: 0.8, 128: 0.8}  # attempts at hand -> part of the error that may be left after branching
HELD = 128  # attempts at hand at most; then it goes on with every second
SPARSEST = 32  # attempts of which one is held, after which it looks no more


class Branches:
    """Tells attempts apart by the choices that conditions hang on; where none do, by the one choice that is seen to matter.

    That is seen when processes of each choice's attempts alone, a third or less of all, leave far smaller errors than one of
    all attempts.

    Args:
        space: What the parameters mean.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._names = _roots(space)
        self._candidates = [] if self._names else _candidates(space)
        self._history: list[tuple[Params, Seen]] = []
        self._every = 1  # attempts of which one is held
        self._n = 0

    def key(self, params: Params) -> Key | None:
        """Of the branch that an attempt is of; None while all are of one."""
        if not self._names:
            return None
        return tuple((isinstance(params.get(name), bool), params.get(name)) for name in self._names)

    def look(self, params: Params, seen: Seen) -> list[tuple[Params, Seen]]:
        """Note an attempt; those noted so far, once, when that is where they branch."""
        self._n += 1
        if not self._candidates or seen.censored or self._n % self._every:
            return []
        self._history.append((params, seen))
        n = len(self._history)
        name = self._best(LOOKS[n]) if n in LOOKS else None
        history = self._history
        if name is not None:
            self._names, self._candidates, self._history = (name,), [], []
            return history
        if n >= HELD:
            self._history = history[1::2]
            self._every *= 2
        if self._every > SPARSEST:
            self._candidates, self._history = [], []
        return []

    def _best(self, bar: float) -> str | None:
        least, found = bar * _error([seen for _, seen in self._history]), None
        for name in self._candidates:
            parts: dict[ParamValue, list[Seen]] = {}
            for params, seen in self._history:
                parts.setdefault(params.get(name), []).append(seen)
            if len(parts) < 2 or min(map(len, parts.values())) < FIRST + 2:
                continue
            error = sum(len(part) * _error(part) for part in parts.values()) / len(self._history)
            if error < least:
                least, found = error, name
        return found


def _error(seen: Sequence[Seen]) -> float:
    """Mean error of leaving one out, of the whole."""
    base_mib = BASE * min(one.whole_mib for one in seen)
    rows = [one.row for one in seen]
    targets = [plain(one, base_mib) for one in seen]
    process = GaussianProcess(len(rows[0]))
    for _ in range(2):  # it tries some inputs at a time only
        process.fit(rows, targets)
    errors = zip(process.left_out(), seen, strict=True)
    return sum(abs(e) * (1.0 - base_mib / one.whole_mib) for e, one in errors) / len(seen)


def _roots(space: SearchSpace) -> tuple[str, ...]:
    """Choices that are always made and that conditions hang on, as many as do not make too many branches."""
    roots: list[str] = []
    n = 1
    for distribution in space.values():
        for name in distribution.when or {}:
            root = space[name]
            if not isinstance(root, Categorical) or root.when or name in roots:
                continue
            if n * len(root.choices) <= MOST:
                roots.append(name)
                n *= len(root.choices)
    return tuple(roots)


def _candidates(space: SearchSpace) -> list[str]:
    return [
        name
        for name, distribution in space.items()
        if isinstance(distribution, Categorical) and not distribution.when and 2 <= len(distribution.choices) <= CHOICES
    ]
