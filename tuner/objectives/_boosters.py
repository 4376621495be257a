"""XGBoost and LightGBM, a boosting round a step.

Both are driven through their native boosters, not through ``fit``: the binned training matrix is built once for many trials,
and the predictions of the validation rows grow by one tree a round inside the library (XGBoost caches them for a matrix that
it has seen, LightGBM keeps the scores of its validation sets), so scoring every round costs time linear in the rounds. The
models are those that ``fit`` gives, to the last bit but for the order in which ``dart`` sums its trees (tested). XGBoost's
``dart`` weighs older trees anew every round and so predicts from all of them each time: a larger ``report_every`` pays there.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_sample_weight

from tuner.errors import InvalidParams
from tuner.objectives._folds import MATRICES, Prepared, size_of
from tuner.objectives._steps import Job
from tuner.registry.predictor import Responses, boosted, booster_input

__all__ = ["LightGBMStepper", "XGBoostStepper", "booster_kind"]

_XGBOOST = ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor")
_LIGHTGBM = ("LGBMClassifier", "LGBMRegressor")


def booster_kind(estimator: Any) -> str | None:
    """``xgboost`` or ``lightgbm`` when the estimator can be trained a boosting round at a time, else None.

    Subclasses and losses given as Python functions are left to their own ``fit``.
    """
    library, name = type(estimator).__module__.partition(".")[0], type(estimator).__name__
    if callable(getattr(estimator, "objective", None)):
        return None
    if library == "xgboost" and name in _XGBOOST:
        return "xgboost"
    return "lightgbm" if library == "lightgbm" and name in _LIGHTGBM else None


_SEEDS = ("random_state", "seed", "bagging_seed", "feature_fraction_seed", "extra_seed", "drop_seed")


class XGBoostStepper:
    """An ``xgboost.Booster`` trained by ``update``."""

    def __init__(self, job: Job, fold: Prepared) -> None:
        import xgboost

        self._job, self._fold = job, fold
        estimator = job.estimator
        self._params = _xgboost_params(job)
        self.n_steps = int(estimator.get_num_boosting_rounds())
        # QuantileDMatrix is what XGBClassifier.fit builds, too; these cannot use it.
        exact = self._params.get("tree_method") in ("exact", "approx") or self._params.get("booster") == "gblinear"
        self._train = self._matrix("plain" if exact else "quantile")
        self._valid = None if fold.valid is None else self._matrix("valid")
        self._booster = xgboost.Booster(self._params, [self._train])
        self._step = 0

    def _matrix(self, kind: str) -> Any:
        import xgboost

        estimator, fold = self._job.estimator, self._fold
        bins = estimator.max_bin if kind == "quantile" else None
        options = {
            "missing": estimator.missing,
            "nthread": estimator.n_jobs,
            "enable_categorical": isinstance(fold.train.x, pd.DataFrame),
        }
        part = fold.valid if kind == "valid" else fold.train
        assert part is not None

        def make() -> tuple[Any, int]:
            x = booster_input(part.x)
            if kind == "quantile":
                options["max_bin"] = bins
                matrix: Any = xgboost.QuantileDMatrix(x, part.y, weight=part.weights, **options)
            else:
                weights = None if kind == "valid" else part.weights
                matrix = xgboost.DMatrix(x, part.y, weight=weights, **options)
            # Four bytes a value and one or two a bin: an upper bound on what the library keeps.
            return matrix, size_of(part.x) // 2 + size_of(part.y)

        key = ("xgboost", fold.key, kind, bins, repr(estimator.missing))
        return MATRICES.get(key, make) if fold.key else make()[0]

    @property
    def finished(self) -> bool:
        """Whether all rounds are done."""
        return self._step >= self.n_steps

    @property
    def model(self) -> Any:
        """The booster."""
        return self._booster

    def advance(self) -> None:
        """One round."""
        self._booster.update(self._train, self._step)
        self._step += 1

    def state(self) -> bytes:
        """The trees so far."""
        return bytes(self._booster.save_raw("ubj"))

    def restore(self, state: bytes, step: int) -> None:
        """Go on from a state. Random draws begin anew, with another seed, since the library does not save where they were."""
        import xgboost

        params = _reseeded(self._params, step)
        self._booster = xgboost.Booster(params, [self._train], model_file=bytearray(state))
        self._step = step

    def responses(self) -> Responses:
        """Of the validation rows, from predictions that the booster keeps up to date."""
        return boosted(self._booster.predict(self._valid), self._job.task)


def _reseeded(params: dict[str, Any], step: int) -> dict[str, Any]:
    """The same parameters with seeds of their own for what follows after ``step``."""
    seeds = {name: value + step for name, value in params.items() if name in _SEEDS and isinstance(value, int)}
    return params | seeds


def _xgboost_params(job: Job) -> dict[str, Any]:
    params = {name: value for name, value in job.estimator.get_xgb_params().items() if value is not None}
    if job.task == "classification":
        objective = str(params.get("objective", "binary:logistic"))
        if job.n_classes > 2 or objective.startswith("multi:"):
            params |= {"objective": "multi:softprob", "num_class": job.n_classes}
        elif objective != "binary:logistic":
            raise InvalidParams(f"objective {objective!r} gives no probabilities; use 'binary:logistic'")
    return params


_DATASET = (
    "max_bin",
    "max_bin_by_feature",
    "min_data_in_bin",
    "bin_construct_sample_cnt",
    "subsample_for_bin",
    "enable_bundle",
    "use_missing",
    "zero_as_missing",
    "linear_tree",
)


class LightGBMStepper:
    """A ``lightgbm.Booster`` trained by ``update``."""

    def __init__(self, job: Job, fold: Prepared) -> None:
        import lightgbm

        self._job = job
        self._params = _lightgbm_params(job)
        self.n_steps = int(job.estimator.n_estimators)
        train, valid = _lightgbm_data(job, fold, self._params)
        self._fold = fold
        self._booster = lightgbm.Booster({**self._params, **train.params}, train)
        if valid is not None:
            self._booster.add_valid(valid, "validation")
        self._step = 0
        self._before: Any = None

    @property
    def finished(self) -> bool:
        """Whether all rounds are done."""
        return self._step >= self.n_steps

    @property
    def model(self) -> Any:
        """The booster."""
        return self._booster

    def advance(self) -> None:
        """One round; it may add no tree when no split is possible, as in ``fit``."""
        if self._before is not None:
            self._go_on()
        else:
            self._booster.update()
        self._step += 1

    def state(self) -> bytes:
        """The trees so far."""
        return str(self._booster.model_to_string(num_iteration=-1)).encode()

    def restore(self, state: bytes, step: int) -> None:
        """Go on from a state. Random draws begin anew, with another seed, since the library does not save where they were."""
        import lightgbm

        self._before, self._step = lightgbm.Booster(model_str=state.decode()), step

    def _go_on(self) -> None:
        """The first round after a state: the library takes the trees up with data of their own, not the shared ones."""
        import lightgbm

        params = _reseeded(self._params, self._step)
        train, valid = _datasets(self._job, self._fold, _settings(params))
        self._booster = lightgbm.train(
            {**params, **_settings(params)},
            train,
            num_boost_round=1,
            valid_sets=[] if valid is None else [valid],
            init_model=self._before,
            keep_training_booster=True,
        )
        self._before = None

    def responses(self) -> Responses:
        """Of the validation rows, from the scores that the booster keeps of them."""
        said: list[Any] = []

        def take(predictions: Any, _: Any) -> tuple[str, float, bool]:
            said.append(np.array(predictions))
            return "taken", 0.0, True

        self._booster.eval_valid(take)
        return boosted(said[0], self._job.task)


def _lightgbm_params(job: Job) -> dict[str, Any]:
    ours = {"n_estimators", "importance_type", "class_weight", "objective"}
    given = job.estimator.get_params()
    params = {name: value for name, value in given.items() if name not in ours and value is not None}
    if job.task == "classification":
        default = "binary" if job.n_classes == 2 else "multiclass"
    else:
        default = "regression"
    params |= {"objective": given.get("objective") or default, "metric": "none"}
    if params["objective"] in ("multiclass", "softmax", "multiclassova", "ova", "ovr"):
        params["num_class"] = job.n_classes
    if not {"verbosity", "verbose"} & set(params):
        params["verbosity"] = -1
    if not {"force_col_wise", "force_row_wise"} & set(params):
        # Left alone, LightGBM times both layouts and takes the faster, and the same seed gives different models.
        params |= {"force_col_wise": True, "deterministic": True}
    return params


def _lightgbm_data(job: Job, fold: Prepared, params: dict[str, Any]) -> tuple[Any, Any]:
    """Training and validation rows (None without any) as the library keeps them, shared by the trials of this process."""
    settings = _settings(params)

    def make() -> tuple[Any, int]:
        train, valid = _datasets(job, fold, settings)
        train.construct()
        if valid is not None:
            with warnings.catch_warnings():
                # It says that the validation set is binned as the training set is, which is what is wanted.
                warnings.filterwarnings("ignore", message="Overriding the parameters")
                valid.construct()
        return (train, valid), size_of(fold.train.x) // 4 + size_of(fold.train.y) * 4

    class_weight = getattr(job.estimator, "class_weight", None)
    key = ("lightgbm", fold.key, tuple(sorted((k, repr(v)) for k, v in settings.items())), repr(class_weight))
    found: tuple[Any, Any] = MATRICES.get(key, make) if fold.key else make()[0]
    return found


def _settings(params: dict[str, Any]) -> dict[str, Any]:
    """Those of the parameters that shape data sets."""
    settings = {name: params[name] for name in _DATASET if name in params}
    # Otherwise features are dropped by the first trial's min_child_samples for every trial that shares the data.
    return settings | {"feature_pre_filter": False, "verbosity": -1, "num_threads": params.get("n_jobs", 1)}


def _datasets(job: Job, fold: Prepared, settings: dict[str, Any]) -> tuple[Any, Any]:
    """Training and validation rows, not yet constructed."""
    import lightgbm

    weights = fold.train.weights
    class_weight = getattr(job.estimator, "class_weight", None)
    if class_weight is not None:
        by_class = compute_sample_weight(class_weight, fold.train.y)
        weights = by_class if weights is None else by_class * weights
    train = lightgbm.Dataset(booster_input(fold.train.x), fold.train.y, weight=weights, params=settings)
    if fold.valid is None:
        return train, None
    return train, lightgbm.Dataset(booster_input(fold.valid.x), fold.valid.y, reference=train, params=settings)
