"""Which checkpoints are needed still: those that attempts started from or may start from, and the best trials' latest."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable

from tuner.study import CheckpointPolicy
from tuner.trial import Checkpoint, Trial, TrialState

__all__ = ["Shelf"]

MOST_LEAVING = 256  # bounds what is kept for a sampler that is never done


class Shelf:
    """Counts for every checkpoint who needs it. What nobody needs any more collects in ``dropped``.

    Of a finished trial the latest one is kept as long as the policy says, and in any case until no suggestion is under way
    that may have been made before the trial ended: such a one may name it as its parent.

    Args:
        policy: What is kept of finished trials.
        standing: What complete trials are ranked by, smaller is better.

    Attributes:
        dropped: What is to be discarded; whoever takes it away empties it.
    """

    def __init__(self, policy: CheckpointPolicy, standing: Callable[[Trial], tuple[float, ...]]) -> None:
        self.dropped: list[Checkpoint] = []
        self._policy, self._standing = policy, standing
        self._uses: dict[str, int] = {}
        self._size_mib = 0.0
        self._best: list[tuple[tuple[float, ...], int, Checkpoint]] = []  # best first
        self._leaving: dict[int, Checkpoint] = {}

    @property
    def is_untidy(self) -> bool:
        """Whether something may be discarded."""
        return bool(self.dropped or self._leaving)

    @property
    def places(self) -> frozenset[str]:
        """Where everything lies that is needed."""
        return frozenset(self._uses)

    def needs(self, checkpoint: Checkpoint) -> bool:
        """Whether anybody needs it."""
        return checkpoint.place in self._uses

    def hold(self, checkpoint: Checkpoint | None) -> None:
        """One more needs it."""
        if checkpoint is None:
            return
        uses = self._uses.get(checkpoint.place, 0)
        self._uses[checkpoint.place] = uses + 1
        if not uses:
            self._size_mib += checkpoint.size_mib
            self._shrink()

    def release(self, checkpoint: Checkpoint | None) -> None:
        """One less does."""
        if checkpoint is None:
            return
        uses = self._uses[checkpoint.place] - 1
        if uses:
            self._uses[checkpoint.place] = uses
            return
        del self._uses[checkpoint.place]
        self._size_mib -= checkpoint.size_mib
        self.dropped.append(checkpoint)

    def keep(self, trial: Trial, checkpoint: Checkpoint) -> None:
        """A trial finished; this is the latest that it saved itself."""
        self.hold(checkpoint)
        if trial.state is TrialState.COMPLETE and self._policy.best > 0:
            insort(self._best, (self._standing(trial), trial.number, checkpoint), key=lambda row: row[:2])
            while len(self._best) > self._policy.best:
                self._leave(*self._best.pop()[1:])
            self._shrink()
        else:
            self._leave(trial.number, checkpoint)

    def of_finished(self, trial: int) -> Checkpoint | None:
        """The latest checkpoint of a finished trial; None when it is not kept."""
        kept = (checkpoint for _, number, checkpoint in self._best if number == trial)
        return self._leaving.get(trial) or next(kept, None)

    def let_go(self) -> None:
        """No suggestion is under way: of finished trials only the best are needed."""
        while self._leaving:
            self._drop_oldest()

    def _leave(self, trial: int, checkpoint: Checkpoint) -> None:
        self._leaving[trial] = checkpoint
        if len(self._leaving) > MOST_LEAVING:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self.release(self._leaving.pop(next(iter(self._leaving))))

    def _shrink(self) -> None:
        """Keep to the limit of size, as far as finished trials can help it."""
        limit_mib = self._policy.size_mib
        while limit_mib is not None and self._size_mib > limit_mib and (self._leaving or self._best):
            if self._leaving:
                self._drop_oldest()
            else:
                self.release(self._best.pop()[2])
