"""Mixtures of product kernels: their masses, their draws, and the same numbers as one kernel after another gives."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import truncnorm

from tuner.samplers._encoding import Encoding
from tuner.samplers._parzen import Features, Kernels, Mixture, cdf, quantile
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.testing.samplers import CONDITIONAL

KINDS = SearchSpace(
    {
        "real": Float(0.0, 1.0),
        "few": Int(1, 5),
        "few log": Int(1, 12, log=True),
        "many": Int(1, 5000),
        "choice": Categorical(["a", "b", "c"]),
    }
)


def mixture(space: SearchSpace, k: int, width: float, prior: float = 1.0) -> Mixture:
    features = Features(Encoding(space))
    rng = np.random.default_rng(1)
    centres = features.encoding.snap(features.encoding.draw(rng, k))
    kernels = Kernels.around(features, centres, np.full(centres.shape, width))
    return Mixture(features, kernels, rng.random(k) + 0.5, prior)


def test_the_normal_distribution_and_its_inverse():
    x = np.concatenate([np.linspace(-7.0, 7.0, 2001), [0.0]])
    np.testing.assert_allclose(cdf(x), ndtr(x), rtol=1e-12, atol=1e-15)
    p = np.concatenate([np.linspace(1e-9, 1.0 - 1e-9, 2001), [1e-12, 0.02425, 0.97575]])
    np.testing.assert_allclose(quantile(p), ndtri(p), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("space", [KINDS, CONDITIONAL], ids=["kinds", "conditional"])
@pytest.mark.parametrize("width", [0.15, 0.6])
def test_the_density_integrates_to_one(space, width):
    found = mixture(space, 20, width)
    encoding = found._features.encoding
    rows = encoding.snap(encoding.draw(np.random.default_rng(2), 100_000))
    relative = np.exp(found.log_mass(found._features(rows))) / found.total
    assert relative.mean() == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("width", [0.05, 0.4])
def test_draws_follow_the_density(name, width):
    found = mixture(SearchSpace({name: KINDS[name], "n": Int(0, 1)}), 6, width)
    features, axis = found._features, found._features.encoding.axes[0]
    rng = np.random.default_rng(3)
    drawn = found.draw(rng, 20_000)
    even = features.encoding.snap(features.encoding.draw(rng, 40_000))
    share = np.exp(found.log_mass(features(even))) / found.total
    ends = np.linspace(0.0, 1.0, 6) if axis.kind != "choice" else np.arange(4) - 0.5
    seen = np.histogram(drawn[:, 0], ends)[0] / len(drawn)
    due = np.histogram(even[:, 0], ends, weights=share)[0] / len(even)
    np.testing.assert_allclose(seen, due, atol=0.02)


def test_one_matrix_product_gives_what_kernel_after_kernel_does():
    space = SearchSpace({"x": Float(0.0, 1.0), "n": Int(1, 4), "c": Categorical(["a", "b", "c"])})
    found = mixture(space, 7, 0.3)
    features, kernels = found._features, found.kernels
    rows = features.encoding.snap(features.encoding.draw(np.random.default_rng(4), 50))
    slow = np.full(len(rows), found.prior)
    for centre, weight in zip(kernels.centres, found.weights, strict=True):
        real = truncnorm.pdf(rows[:, 0], -centre[0] / 0.3, (1 - centre[0]) / 0.3, loc=centre[0], scale=0.3)
        edges = ndtr((np.arange(5) / 4 - centre[1]) / 0.3)
        masses = np.diff(edges) / (edges[-1] - edges[0])
        whole = masses[(rows[:, 1] * 4).astype(int)] * 4
        choice = np.where(rows[:, 2] == centre[2], 1 - 0.3 + 0.1, 0.1) * 3
        slow += weight * real * whole * choice
    np.testing.assert_allclose(found.log_mass(features(rows)), np.log(slow), rtol=1e-9)


def test_what_a_point_or_a_kernel_lacks_counts_as_even():
    space = SearchSpace({"c": Categorical(["a", "b"]), "x": Float(0.0, 1.0, when={"c": "a"})})
    features = Features(Encoding(space))
    kernels = Kernels.around(features, np.array([[1.0, np.nan]]), np.full((1, 2), 0.2))
    found = Mixture(features, kernels, np.ones(1), 0.0)
    masses = found.log_mass(features(np.array([[1.0, np.nan], [0.0, 0.1], [0.0, 0.9]])))
    np.testing.assert_allclose(np.exp(masses), [1.8, 0.2, 0.2])


def test_very_narrow_and_far_kernels_stay_finite():
    features = Features(Encoding(SearchSpace({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})))
    kernels = Kernels.around(features, np.zeros((3, 2)), np.full((3, 2), 1e-3))
    found = Mixture(features, kernels, np.ones(3), 1e-3)
    assert np.isfinite(found.log_mass(features(np.array([[0.0, 0.0], [1.0, 1.0]])))).all()
    assert np.isfinite(found.draw(np.random.default_rng(5), 1000)).all()


def test_without_observations_the_prior_is_drawn_from():
    features = Features(Encoding(KINDS))
    empty = np.empty((0, 5))
    found = Mixture(features, Kernels.around(features, empty, empty), np.empty(0), 1.0)
    drawn = found.draw(np.random.default_rng(6), 2000)
    assert (found.log_mass(features(drawn)) == 0.0).all()
    assert abs(drawn[:, 0].mean() - 0.5) < 0.03
