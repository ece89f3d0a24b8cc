"""What the `gp` optimizer costs beside the evaluations themselves: plain `gp_minimize` of scikit-optimize (its own
defaults, 100 random and 20 guided points), the same through hml's plain settings, and hml's defaults, on an objective
that costs nothing.

    OMP_NUM_THREADS=1 python benchmarks/gp_overhead.py [--runs 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
from skopt import gp_minimize

from hml import Axis, BuildContext, Objective, Space, installed

PLAIN = {"acquisition": "gp_hedge", "scale": "none", "refit": "restarts", "candidates": 10000, "refined": 5}
SPACE = Space((Axis("teff", 3000.0, 7000.0), Axis("logg", 3.0, 5.0), Axis("feh", -1.0, 0.5)))


class Lines(Objective):
    """χ² of 60 saturating lines whose strengths follow the labels; S/N 100, no noise: 1 at the truth."""

    space, differentiable = SPACE, False

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.excitation, self.pressure = rng.uniform(0, 4, 60), rng.normal(0, 0.3, 60)
        self.strength = rng.uniform(-2, 0, 60)
        self.truth = SPACE.lower + rng.uniform(0.1, 0.9, 3) * (SPACE.upper - SPACE.lower)
        self.data = self.flux(self.truth[None])

    def flux(self, points: np.ndarray) -> np.ndarray:
        theta, logg, feh = 5040 / points[:, :1] - 1, points[:, 1:2] - 4, points[:, 2:3]
        log_tau = self.strength + 2.3 * (0.7 * feh + self.pressure * logg - 0.6 * self.excitation * theta)
        return np.exp(-0.5 * np.exp(log_tau))

    def values(self, points: np.ndarray) -> np.ndarray:
        return 1.0 + (((self.flux(points) - self.data) / 0.01) ** 2).mean(axis=1)

    def value_and_gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        raise NotImplementedError("gp asks for values only")

    residuals = jacobian = value_and_gradient


def plain(objective: Lines, seed: int) -> float:
    """scikit-optimize as it comes."""
    box = list(zip(SPACE.lower.tolist(), SPACE.upper.tolist(), strict=True))
    found = gp_minimize(lambda x: float(objective.values(np.array([x]))[0]), box, n_calls=120, n_initial_points=100,
                        random_state=seed)
    return float(found.fun)


def ours(**fields: object) -> Callable[[Lines, int], float]:
    """hml's `gp` with these settings."""
    component = installed().get("optimizers", "gp")
    optimizer = component.build(component.config(**fields), BuildContext())
    return lambda objective, seed: optimizer.minimize(objective, SPACE, np.random.default_rng(seed)).value


def measure(run: Callable[[Lines, int], float], runs: int) -> dict[str, float]:
    """Medians over `runs` objectives."""
    rows = []
    for seed in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        value = run(Lines(seed), seed)
        rows.append((time.perf_counter() - wall, time.process_time() - cpu, value))
    return dict(zip(("wall_s", "cpu_s", "best_value"), np.median(rows, axis=0).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ways = {"gp_minimize": plain, "hml, plain settings": ours(**PLAIN), "hml, defaults": ours()}
    table = {name: measure(run, options.runs) for name, run in ways.items()}
    for row in table.values():
        row["cpu_ratio"] = table["gp_minimize"]["cpu_s"] / row["cpu_s"]
    if options.json:
        print(json.dumps(table, indent=2))
        return
    print(f"100 random + 20 guided points, {options.runs} objectives, medians (best possible value: 1)")
    for name, row in table.items():
        print(f"{name:20s} {row['wall_s']:6.1f} s wall {row['cpu_s']:6.1f} s cpu  {row['cpu_ratio']:5.1f} times faster"
              f"  best {row['best_value']:.3f}")


if __name__ == "__main__":
    main()
