"""How much memory an attempt will need, learned online from what earlier ones used.

The logarithm of memory, less most of the least that was seen (the worker's base), is a function of the parameters that an
``Expert`` learns: one of all attempts, and one of each branch where the space has some (``Branches``), as a forest's memory
says little of a network's and its errors nothing of the margin there. The margin comes from an expert's own recent errors,
as in conformal prediction (Vovk, Gammerman and Shafer 2005): a high quantile of the errors made on attempts as they came
in, and of those of leaving one out. It rises with each attempt that got too little and falls slowly else (Gibbs and Candes
2021, equation 2), and is wider where errors are larger (Lei et al. 2018, section 5.2). Deviations: errors are pooled over
attempts that are not quite exchangeable; while few are known the margin is wider; it is never below a floor nor above a
multiple of the prediction; and the quantile keeps between bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuner.core._branches import Branches, Key
from tuner.core._expert import FIRST, Cover, Expert, Seen
from tuner.core._inputs import Inputs
from tuner.space import SearchSpace
from tuner.trial import Params

__all__ = ["MemoryForecast", "MemoryModel"]

SETTLED = 20  # attempts after which the quantile of errors begins to move
LEAST_SHARE, LEAST_MIB = 0.03, 8.0  # the margin's floor
MOST = 2.0  # of the prediction, that is granted at most
UNSEEN = 0.4  # added to the margin, in the logarithm, where a category was never seen
POOLED = 200  # attempts that the expert of all learns at least, and on while a branch is young
YOUNG, GROWN = 6, 100  # attempts until a branch's expert may be asked, and until it alone is
LOSS = 2.5  # what an attempt that got too little costs, of what it needed
OF_LATE = 0.1  # share of the latest attempt in the usual cost


@dataclass(frozen=True, slots=True)
class MemoryForecast:
    """What an attempt will need, the base of its worker's process included.

    Attributes:
        expected_mib: The median of what it may need.
        grant_mib: That with a margin from the model's own recent errors.
        n: From how many attempts it was learned.
        error: The usual error of late, relative: 0.08 is 8 %.
    """

    expected_mib: float
    grant_mib: float
    n: int
    error: float


class _Branch:
    """An expert of some attempts, with what it and the expert of all would have granted of late, of what was needed."""

    def __init__(self, width: int, cover: Cover) -> None:
        self.expert = Expert(width, cover)
        self._costs = [0.0, 0.0]
        self._n = 0

    def compare(self, seen: Seen, own_mib: float, pooled_mib: float) -> None:
        """What both would have granted an attempt."""
        self._n += 1
        for i, granted_mib in enumerate((own_mib, pooled_mib)):
            cost = granted_mib / seen.whole_mib if granted_mib >= seen.whole_mib else LOSS
            self._costs[i] += (cost - self._costs[i]) * max(OF_LATE, 1.0 / self._n)

    @property
    def better(self) -> bool:
        """Whether it is to be asked, not the expert of all."""
        if not self.expert.ready or self.expert.n < YOUNG:
            return False
        return self.expert.n >= GROWN or self._costs[0] <= self._costs[1]


class MemoryModel:
    """Predicts the whole memory of attempts from their parameters and the step that they will reach.

    How memory depends on the step is learned like any parameter's influence, and predictions are for the furthest step that
    was seen, so that attempts which were pruned early do not make it look small. An attempt that ran out of memory counts as
    one that needed more than it had, until one with the same parameters tells how much.

    Args:
        space: What the parameters mean.
    """

    FIRST = FIRST
    """Attempts to learn from before it says anything."""

    def __init__(self, space: SearchSpace) -> None:
        self._inputs = Inputs(space)
        self._cover = Cover()
        self._pool = Expert(self._inputs.width, self._cover)
        self._split = Branches(space)
        self._branches: dict[Key, _Branch] = {}
        self._furthest = 0
        self._n = 0  # attempts seen

    def observe(self, params: Params, step: int | None, whole_memory_mib: float, *, censored: bool = False) -> None:
        """An attempt with these parameters used so much.

        Args:
            params: The trial's.
            step: The last step it reached; None when it has none.
            whole_memory_mib: Its peak, the worker's base included; what is not above 0 is ignored.
            censored: Whether it was ended for want of memory, so that it needs more than that.
        """
        if not 0.0 < whole_memory_mib < math.inf:
            return
        seen = Seen(self._inputs.row(params), step, whole_memory_mib, censored)
        self._n += 1
        branch = self._branch(params)
        pooled = branch is None or branch.expert.n < GROWN or self._n <= POOLED
        granted_mib = self._judge(seen, branch, pooled=pooled)
        if granted_mib is not None and self._n > SETTLED:
            self._cover.note(lost=granted_mib < whole_memory_mib)
        self._inputs.see(params)
        self._furthest = max(self._furthest, step or 0)
        if pooled:
            self._pool.learn(seen, self._furthest)
        self._learn(params, seen)

    def predict(self, params: Params) -> MemoryForecast | None:
        """What an attempt with these parameters will need; None while fewer than ``FIRST`` have been seen."""
        if self._n < self.FIRST:
            return None
        branch = self._branch(params)
        expert = branch.expert if branch is not None and branch.better else self._pool
        above, margin = expert.tell(self._inputs.row(params), self._furthest)
        margin += UNSEEN if self._inputs.unseen(params) else 0.0
        expected = expert.base_mib + _exp(above)
        grant = min(expert.base_mib + _exp(above + margin), expected * MOST)
        grant = max(grant, expected * (1.0 + LEAST_SHARE), expected + LEAST_MIB)
        return MemoryForecast(expected, grant, self._n, math.expm1(expert.usual))

    def _branch(self, params: Params) -> _Branch | None:
        key = self._split.key(params)
        return None if key is None else self._branches.get(key)

    def _judge(self, seen: Seen, branch: _Branch | None, *, pooled: bool) -> float | None:
        """Have the experts note their errors; what the one would have granted that is asked, None while none can be."""
        by_all = self._pool.judge(seen) if pooled and self._pool.ready else None
        if branch is None or not branch.expert.ready:
            return by_all
        better = branch.better
        own = branch.expert.judge(seen)
        if by_all is not None and not seen.censored:
            branch.compare(seen, own, by_all)
        return own if better or by_all is None else by_all

    def _learn(self, params: Params, seen: Seen) -> None:
        """Teach the expert of the attempt's branch, or of all branches when this is where attempts begin to branch."""
        lesson = self._split.look(params, seen)
        for one, old in lesson or [(params, seen)]:
            key = self._split.key(one)
            if key is None:
                return
            if key not in self._branches:
                self._branches[key] = _Branch(self._inputs.width, self._cover)
            expert = self._branches[key].expert
            if lesson and expert.ready:
                expert.judge(old)
            expert.learn(old, self._furthest)


def _exp(value: float) -> float:
    return math.exp(min(value, 60.0))
