"""The mathematics of ``gp``: gradients, posteriors, tails, warps and curves, each against a reference of its own."""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest

from tuner.samplers._gp_acquisition import log_cdf, log_h
from tuner.samplers._gp_curves import Curves, Partial
from tuner.samplers._gp_model import Hyper, Posterior, fit, matern, objective, squares
from tuner.samplers._gp_warp import Warp
from tuner.samplers._halton import Halton

GROUPS = np.array([0, 1, 2, 2, 2])


def data(n, seed=0):
    rng = np.random.default_rng(seed)
    points = np.hstack([rng.random((n, 2)), np.eye(3)[rng.integers(0, 3, n)] * math.sqrt(0.5)])
    values = np.sin(5 * points[:, 0]) + points[:, 2] + 0.01 * rng.normal(size=n)
    return points, (values - values.mean()) / values.std(), rng.random(n) * 0.01


def test_the_gradient_is_that_of_finite_differences():
    points, values, extra = data(40)
    pairs = squares(points, GROUPS)
    theta = np.array([-0.3, 0.2, 0.5, 0.1, -5.0])
    _, gradient = objective(theta, pairs, values, extra)
    for k in range(len(theta)):
        step = np.eye(len(theta))[k] * 1e-5
        above, below = (objective(theta + sign * step, pairs, values, extra)[0] for sign in (1, -1))
        assert gradient[k] == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-6)


def test_the_kernel_is_materns():
    distance = np.array([0.0, 0.3, 1.0, 4.0])
    expected = [(1 + math.sqrt(5) * r + 5 * r * r / 3) * math.exp(-math.sqrt(5) * r) for r in distance]
    assert matern(distance**2) == pytest.approx(np.array(expected), rel=1e-12)


def test_the_posterior_is_the_textbooks():
    points, values, extra = data(30)
    hyper = Hyper(np.array([0.4, 2.0, 1.0]), 1.3, 1e-3)
    asked = data(7, seed=1)[0]

    def kernel(a, b):
        scaled = ((a[:, None, :] - b[None, :, :]) / hyper.scales[GROUPS]) ** 2
        return hyper.signal * matern(scaled.sum(-1))

    inverse = np.linalg.inv(kernel(points, points) + np.diag(hyper.noise + extra))
    cross = kernel(asked, points)
    mean, variance = Posterior(hyper, points, GROUPS, values, extra).predict(asked)
    assert mean == pytest.approx(cross @ inverse @ values, abs=1e-5)
    assert variance == pytest.approx(hyper.signal - np.einsum("ij,jk,ik->i", cross, inverse, cross), abs=1e-5)


def test_believing_in_points_is_refitting_with_their_means_observed():
    points, values, extra = data(30)
    hyper = Hyper(np.array([0.4, 2.0, 1.0]), 1.3, 1e-3)
    believed, asked = data(6, seed=2)[0], data(9, seed=3)[0]
    grown = Posterior(hyper, points, GROUPS, values, extra)
    before = grown.predict(asked)[0]
    means = grown.predict(believed)[0]
    for point in believed:
        grown.believe(point)
    every = np.vstack([points, believed])
    again = Posterior(hyper, every, GROUPS, np.concatenate([values, means]), np.concatenate([extra, np.zeros(6)]))
    mean, variance = grown.predict(asked)
    assert mean == pytest.approx(before, abs=1e-12)
    assert mean == pytest.approx(again.predict(asked)[0], abs=1e-6)
    assert variance == pytest.approx(again.predict(asked)[1], abs=1e-7)


def test_the_fit_finds_what_matters():
    rng = np.random.default_rng(4)
    points = rng.random((60, 3))
    values = np.sin(6 * points[:, 0])
    hyper = fit(points, np.arange(3), (values - values.mean()) / values.std(), np.zeros(60))
    assert hyper.scales[0] < 2.0 < 10.0 < min(hyper.scales[1:])
    assert hyper.noise < 1e-3


@pytest.mark.parametrize("values", [np.zeros(5), np.full(5, 1e300), np.array([1.0])], ids=["zero", "huge", "one"])
def test_the_fit_bears_values_that_say_nothing(values):
    points = np.random.default_rng(0).random((len(values), 2))
    hyper = fit(points, np.arange(2), Warp(values)(values), np.zeros(len(values)))
    assert np.isfinite([*hyper.scales, hyper.signal, hyper.noise]).all()


def exact_log_h(z):
    """log(phi(z) + z Phi(z)) at 60 digits; Phi / phi by Taylor's series above -6, by Mills' continued fraction below."""
    getcontext().prec = 60
    x, tau = Decimal(z), Decimal("6.28318530717958647692528676655900576839433879875021164194989")
    log_density = -x * x / 2 - tau.ln() / 2
    if z > -6:
        term = total = x
        for k in range(1, 400):
            term *= x * x / (2 * k + 1)
            total += term
        ratio = Decimal("0.5") / log_density.exp() + total
    else:
        fraction = Decimal(0)
        for k in range(400, 0, -1):
            fraction = k / (-x + fraction)
        ratio = 1 / (-x + fraction)
    return float(log_density + (1 + x * ratio).ln())


@pytest.mark.parametrize("z", [5.0, 1.0, 0.0, -0.99, -1.01, -3.0, -8.0, -40.0, -500.0, -9e3, -1.1e4, -1e6])
def test_log_expected_improvement_is_exact_far_into_its_tail(z):
    assert log_h(np.array([z]))[0] == pytest.approx(exact_log_h(z), rel=1e-8, abs=1e-12)


def test_feasibility_is_finite_far_into_its_tail():
    found = log_cdf(np.array([0.0, 100.0]), np.array([1.0, 1e-4]), 0.0)
    assert found[0] == pytest.approx(math.log(0.5))
    assert np.isfinite(found[1])
    assert found[1] < -1e6


@pytest.mark.parametrize("scale", [1e-250, 1.0, 1e140])
def test_a_warp_rises_and_standardises(scale):
    values = np.exp(np.random.default_rng(0).normal(size=80) * 2.0) * scale
    warp = Warp(values)
    warped = warp(values)
    assert warped.mean() == pytest.approx(0.0, abs=1e-9)
    assert warped.std() == pytest.approx(1.0)
    assert (np.diff(warp(np.sort(values))) >= 0.0).all()


def test_a_warp_takes_their_weight_from_outliers():
    values = np.concatenate([np.linspace(0.0, 1.0, 30), [1e9]])
    warped = Warp(values)(values)
    assert warped[29] - warped[0] > 1.0
    good = Warp(-values)(-values)  # on the good side nothing is pressed together
    assert good[-1] - good[0] < 0.0
    assert np.argmin(good) == 30


@pytest.mark.parametrize("values", [[1e300, -1e300, 0.0], [2.0, 2.0], [7.0], [1e300, 1e300]])
def test_a_warp_bears_any_numbers(values):
    warped = Warp(np.array(values))(np.array(values))
    assert np.isfinite(warped).all()


def test_ends_are_foretold_from_what_others_did_at_that_step():
    curves = Curves()
    ends = {}
    for trial in range(12):
        end = trial / 10
        ends[trial] = end
        for step in (1, 2, 4):
            curves.add(trial, step, end + 1.0 / step)
    stopped = {50: Partial(1, 1.75), 51: Partial(2, 0.9)}
    for trial, partial in stopped.items():
        curves.add(trial, partial.step, partial.value)
    predicted = curves.predict(ends, stopped)
    assert predicted[50][0] == pytest.approx(0.75, abs=1e-6)
    assert predicted[51][0] == pytest.approx(0.4, abs=1e-6)
    assert max(predicted[50][1], predicted[51][1]) < 0.05


def test_a_foretold_end_is_as_uncertain_as_curves_cross():
    rng = np.random.default_rng(1)
    curves = Curves()
    ends = {trial: float(rng.random()) for trial in range(30)}
    for trial, end in ends.items():
        curves.add(trial, 1, 1.0 + 0.1 * float(rng.normal()))
        curves.add(trial, 8, end + 0.01 * float(rng.normal()))
    early = curves.predict(ends, {99: Partial(1, 1.0)})[99][1]
    late = curves.predict(ends, {99: Partial(8, 0.5)})[99][1]
    assert early > 5 * late > 0.0


def test_what_is_kept_of_long_curves_foretells_the_same():
    rng = np.random.default_rng(3)
    whole, short, ends = Curves(), Curves(), {}
    for trial in range(30):
        ends[trial] = float(rng.random())
        for step in range(1, 201):
            for curves in (whole, short):
                curves.add(trial, step, ends[trial] + 1.0 / step)
        short.end(trial)
    stopped = {99: Partial(30, 0.9), 98: Partial(117, 0.2)}
    one, other = whole.predict(ends, stopped), short.predict(ends, stopped)
    for trial in stopped:
        assert one[trial] == pytest.approx(other[trial], abs=0.02)


def test_only_the_newest_curves_are_kept(monkeypatch):
    monkeypatch.setattr("tuner.samplers._gp_curves._CURVES", 10)
    rng = np.random.default_rng(4)
    one, other = Curves(), Curves()
    ends = {trial: float(rng.random()) for trial in range(30)}
    for trial, end in ends.items():
        for curves in (one, other):
            curves.add(trial, 1, end + 0.3 * float(rng.random()) * (trial < 20))
    for trial in ends:
        one.end(trial)
    for trial in reversed(ends):
        other.end(trial)
    stopped = {99: Partial(1, 0.5)}
    predicted = one.predict(ends, stopped)
    assert predicted == other.predict(ends, stopped)
    assert predicted[99] == pytest.approx((0.5, 0.0), abs=0.1)


def test_a_retry_that_reports_again_is_where_the_first_came():
    curves = Curves()
    for step, value in ((1, 0.9), (2, 0.8), (3, 0.7), (1, 0.9), (2, 0.8)):
        curves.add(0, step, value)
    assert curves.reached(0) == Partial(3, 0.7)


def test_what_was_stopped_early_is_not_taken_for_as_good_as_what_was_not():
    """Among those that looked good an early value tells nothing; of one that looked bad it still does."""
    rng = np.random.default_rng(2)
    curves, ends = Curves(), {}
    for trial in range(20):
        ends[trial] = 1.0 + 0.1 * float(rng.normal())
        curves.add(trial, 1, 2.0 + 0.1 * float(rng.normal()))
    assert curves.predict(ends, {99: Partial(1, 3.0)})[99][0] > 1.5


def test_without_any_end_the_last_reports_are_what_there_is():
    curves = Curves()
    stopped = {k: Partial(1, k / 4) for k in range(5)}
    for trial, partial in stopped.items():
        curves.add(trial, partial.step, partial.value)
    predicted = curves.predict({}, stopped)
    assert [predicted[k][0] for k in range(5)] == [k / 4 for k in range(5)]
    assert all(spread > 0.1 for _, spread in predicted.values())


def test_halton_points_fill_the_cube_evenly():
    points = np.array([Halton(6, 3)[k] for k in range(64)])
    assert ((points >= 0.0) & (points < 1.0)).all()
    for j, bins in enumerate((64, 27, 25, 49, 11, 13)):  # powers of the primes: each bin gets its exact share
        counts = np.bincount((points[: bins if j < 4 else 4 * bins, j] * bins).astype(int), minlength=bins)
        assert counts.max() - counts.min() <= (0 if j < 3 else 1)
    assert not np.allclose(points[:5], [Halton(6, 4)[k] for k in range(5)])
