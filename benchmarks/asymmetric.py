"""An asymmetric profile, which `profiles.py` measures beside those of hml: a plugin that it registers by itself, since
hml, where it measured no better, does not bring it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from hml import BuildContext, Component, ComponentConfig, FoundLines, LineProfile, Registry, hookimpl, installed
from hml.core.registry import Entry
from hml.plugins.profiles.pseudo_voigt import PseudoVoigt, mixing
from hml.plugins.profiles.start import widths

BEND = 0.5  # full widths: about how far from the centre one side's width gives way to the other's
SKEWEST = 3.0  # beyond, nothing changes: one side is 400 times as wide as the other


class Asymmetric(LineProfile):
    """V(y(x)), V the pseudo-Voigt profile, x = y + a·(√(y² + v²) - v), a = tanh(skew), v half the full width of V.

    Far from the centre a side is 1 + a or 1 - a times as wide as with a = 0, limits of the sigmoid of Stancik & Brauns
    (2008, Vib. Spectrosc. 47, 66). Since dx/dy is one plus an odd function, the area stays that of V, and so do the
    place and the height of the peak.
    """

    symmetric = PseudoVoigt()
    params = (*symmetric.params, "skew")

    def initial(self, found: FoundLines) -> NDArray[np.float64]:
        return np.pad(self.symmetric.initial(found), [(0, 0), (0, 1)])

    def evaluate(self, offset: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
        """offset `[..., L, C]` Å, params `[..., L, 4]` → `[..., L, C]`."""
        _, sigma, gamma = widths(params[..., :3])
        v, a = BEND * mixing(sigma, gamma)[0], torch.tanh(params[..., 3:].clamp(-SKEWEST, SKEWEST))
        straight = torch.sqrt(offset * (offset + 2.0 * a * v) + v * v)
        return self.symmetric.evaluate((offset + a * (v - straight)) / (1.0 - a * a), params[..., :3])


def _build(config: ComponentConfig, context: BuildContext) -> LineProfile:
    return Asymmetric()


@hookimpl
def hml_profiles() -> Iterator[Component]:
    yield Component(
        "asymmetric", "pseudo-Voigt profile with a wide and a narrow side", ComponentConfig, _build,
        reference="after Stancik & Brauns 2008, Vib. Spectrosc. 47, 66 (sigmoidal width)",
    )


def with_asymmetric() -> Registry:
    """What is installed, and this profile."""
    own = tuple(Entry("profiles", component, "asymmetric", "hml's benchmarks", "0") for component in hml_profiles())
    return Registry((*installed().entries, *own), installed().failures)
