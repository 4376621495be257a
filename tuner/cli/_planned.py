"""How good a study's plan was, for its summary."""

from __future__ import annotations

from typing import Any

from tuner.api.study import Study
from tuner.dashboard import text

__all__ = ["forecast_document", "planned"]

CROWDED = (
    0.25  # by so much, relative, an attempt's share of CPUs differs when it is told, as other work explains the rest
)


def planned(study: Study) -> dict[str, str]:
    """A row for the summary of a study that was planned and has ended; none for others."""
    from tuner.api.plan import compare_forecast  # it loads the simulator

    compared = compare_forecast(study)
    if compared is None:
        return {}
    expected = compared.forecast
    took = text.duration(compared.time_s)
    told = [f"{text.duration(expected.time_s.mid)}, took {took} ({_by(compared.time_error)})"]
    rate, was = expected.trials_h.mid, compared.trials_h
    told.append(f"{rate:,.0f} trials/h, were {was:,.0f} ({_by(compared.trials_h_error)})")
    if compared.cost_error is not None and expected.cost is not None and compared.cost is not None:
        told.append(f"cost {expected.cost.mid:.2g}, was {compared.cost:.2g} ({_by(compared.cost_error)})")
    row = f"on {compared.site}: {'; '.join(told)}"
    if not expected.time_s.low <= compared.time_s <= expected.time_s.high:
        row += f"; expected were {text.duration(expected.time_s.low)} to {text.duration(expected.time_s.high)}"
    if compared.busy is not None and expected.busy and abs(compared.busy / expected.busy - 1.0) > CROWDED:
        row += f"; a trial had {compared.busy:.2g} CPUs of work, forecast {expected.busy:.2g}"
    return {"forecast": row}


def forecast_document(study: Study) -> dict[str, Any] | None:
    """The same as plain data; None for a study that was not planned so."""
    from tuner.api.plan import compare_forecast

    compared = compare_forecast(study)
    return None if compared is None else compared.to_dict()


def _by(error: float) -> str:
    """A relative error in words: ``8% more``."""
    if abs(error) < 0.005:
        return "the same"
    return f"{abs(error):.0%} {'more' if error > 0 else 'less'}"
