"""A function to tune: `function.yaml` names it as `work:train`."""

from __future__ import annotations

import math
from typing import Any


def train(params: dict[str, Any], context: Any) -> dict[str, float]:
    """Gradient descent on Rosenbrock's valley; the parameters are the optimiser's."""
    x, y = -1.0, 1.5
    speed_x = speed_y = 0.0
    loss = math.inf
    for step in range(1, 101):
        grad_x = -2 * (1 - x) - 400 * x * (y - x * x)
        grad_y = 200 * (y - x * x)
        speed_x = params["momentum"] * speed_x - params["lr"] * grad_x
        speed_y = params["momentum"] * speed_y - params["lr"] * grad_y
        x, y = x + speed_x, y + speed_y
        if params["schedule"] == "decay":
            speed_x, speed_y = speed_x * (1 - params["decay"]), speed_y * (1 - params["decay"])
        if not (abs(x) < 1e3 and abs(y) < 1e3):
            return {"loss": 1e12}
        loss = (1 - x) ** 2 + 100 * (y - x * x) ** 2
        context.report(step, loss=loss)
    return {"loss": loss}
