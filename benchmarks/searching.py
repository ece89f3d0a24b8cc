"""What the `gp` optimizer itself costs, beside scikit-optimize's own; see `gp_overhead.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from gp_overhead import Lines, measure, ours
from skopt import gp_minimize


def overhead(initial: int, guided: int) -> dict[str, Any]:
    """hml's defaults and plain `gp_minimize`, with as many evaluations of an objective that costs nothing."""

    def plain(objective: Lines, seed: int) -> float:
        box = list(zip(objective.space.lower.tolist(), objective.space.upper.tolist(), strict=True))
        found = gp_minimize(lambda x: float(objective.values(np.array([x]))[0]), box, n_calls=initial + guided,
                            n_initial_points=initial, random_state=seed)
        return float(found.fun)

    hml = measure(ours(n_initial=initial, n_calls=guided), 3)
    return {"hml": hml, "plain": measure(plain, 1), "evaluations": initial + guided}
