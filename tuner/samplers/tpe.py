"""The ``tpe`` sampler: the tree-structured Parzen estimator of Optuna."""

from __future__ import annotations

from optuna.samplers import TPESampler as OptunaTPE

from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.samplers._optuna import Joint, OptunaAdapter

__all__ = ["TPESampler"]


class TPESampler(OptunaAdapter):
    """Models the good and the other trials as densities and suggests where their ratio is largest (Bergstra et al., 2011).

    Deviations from Optuna's ``TPESampler``: the space is known from the first trial on instead of being inferred from the
    trials that finished, so parameters that are always active are modelled jointly from the start; and with ``group`` the
    groups are those of equal conditions in the declaration, where Optuna takes apart what it has seen.

    Args:
        problem: The space, the metrics and the seed.
        n_startup_trials: How many trials must have finished (COMPLETE or PRUNED) before the model is used, at least 0;
            until then suggestions are random.
        n_ei_candidates: How many candidates are drawn, of which the best is suggested, at least 1.
        multivariate: Whether parameters are modelled jointly. None for True with one metric and False with several.
        group: Whether conditional parameters are modelled jointly too, each group of equal conditions on its own; if not,
            one by one, which measured no worse and costs one more pass over the trials for each of them. Without
            ``multivariate`` it does nothing.
        constant_liar: Whether running trials count as bad ones, which keeps suggestions made at the same time apart.

    Raises:
        SweepError: An option is out of range.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        n_startup_trials: int = 10,
        n_ei_candidates: int = 24,
        multivariate: bool | None = None,
        group: bool = False,
        constant_liar: bool = True,
    ) -> None:
        for name, value, least in (
            ("n_startup_trials", n_startup_trials, 0),
            ("n_ei_candidates", n_ei_candidates, 1),
        ):
            if value < least:
                raise SweepError(
                    f"{name} is too small", path=f"sampler.{name}", got=value, expected=f"a whole number from {least}"
                )
        together = len(problem.metrics) == 1 if multivariate is None else multivariate
        joint: Joint = "inferred"
        if together:
            joint = "declared" if group else "unconditional"

        def make(seed: int) -> OptunaTPE:
            return OptunaTPE(
                n_startup_trials=n_startup_trials,
                n_ei_candidates=n_ei_candidates,
                multivariate=together,
                constant_liar=constant_liar,
                seed=seed,
            )

        # The relative parameters are shared for other processes of a study; here running trials have theirs in full.
        super().__init__(problem, make, joint=joint, dropped=("tpe:relative_params",))
