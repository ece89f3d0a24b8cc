"""Some lines alone, beside all of them."""

from __future__ import annotations

from hml.core.figures.canvas import FAINT, MODEL, blank, png, valued
from hml.core.spectrum import Spectrum


def alone(whole: Spectrum, part: Spectrum, what: str) -> bytes:
    """Two spectra of one generator on the same pixels: all of its lines, and those that `what` names."""
    figure, axes = blank(1, 1, (11, 3.8))
    ax = axes[0, 0]
    for i, order in enumerate(whole.order_slices()):
        ax.plot(whole.wavelength[order], whole.flux[order], color=FAINT, lw=0.8, label="all lines" if i == 0 else None)
        ax.plot(part.wavelength[order], part.flux[order], color=MODEL, lw=0.9, label=what if i == 0 else None)
    ax.set_xlabel("vacuum wavelength (Å)")
    ax.set_ylabel("normalised flux")
    ax.ticklabel_format(useOffset=False)
    ax.margins(x=0.005)
    ax.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    labels = whole.meta.get("labels", {})
    ax.set_title(", ".join(valued(name, value) for name, value in labels.items()), fontsize=10, loc="left")
    return png(figure)
