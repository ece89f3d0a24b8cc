"""Pictures as PNG bytes, one idea a file."""

from __future__ import annotations

from hml.core.figures.corner import corner
from hml.core.figures.counts import line_counts
from hml.core.figures.manifold import manifold
from hml.core.figures.observed import observed
from hml.core.figures.parts import alone
from hml.core.figures.profile import neighbours
from hml.core.figures.run import convergence, fit
from hml.core.figures.timing import timing

__all__ = ["alone", "convergence", "corner", "fit", "line_counts", "manifold", "neighbours", "observed", "timing"]
