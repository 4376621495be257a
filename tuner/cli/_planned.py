"""How good a study's plan was, for its summary."""

from __future__ import annotations

from tuner.api.study import Study
from tuner.dashboard import text

__all__ = ["planned"]


def planned(study: Study) -> dict[str, str]:
    """A row for the summary of a study that was planned and has ended; none for others."""
    from tuner.api.plan import compare_forecast  # it loads the simulator

    compared = compare_forecast(study)
    if compared is None:
        return {}
    expected = compared.forecast.time_s
    told = [f"{text.duration(expected.mid)} on {compared.site}, and it took {_by(compared.time_error)} time"]
    if compared.cost_error is not None and compared.forecast.cost is not None:
        told.append(f"{compared.forecast.cost.mid:.2g} in money, and it cost {_by(compared.cost_error)}")
    if not expected.low <= compared.time_s <= expected.high:
        told.append(f"outside of what was expected ({text.duration(expected.low)} to {text.duration(expected.high)})")
    return {"forecast": "; ".join(told)}


def _by(error: float) -> str:
    """A relative error in words: ``8% more``."""
    if abs(error) < 0.005:
        return "the same"
    return f"{abs(error):.0%} {'more' if error > 0 else 'less'}"
