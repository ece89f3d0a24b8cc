"""Time per spectrum, single and batched (figure 8 of the paper)."""

from __future__ import annotations

from hml.core.figures.canvas import FAINT, INK, MODEL, blank, png
from hml.core.speed import Speed


def timing(speed: Speed) -> bytes:
    """Milliseconds a spectrum against the number of labels asked for at once."""
    figure, axes = blank(1, 1, (6.5, 4))
    ax, spectrum = axes[0, 0], 1e3 * speed.spectrum
    ax.loglog(speed.batches, spectrum, "o-", color=MODEL, lw=1.2, label="labels → spectrum")
    ax.loglog(speed.batches, 1e3 * speed.look_up, "s--", color=INK, lw=0.8, ms=4, label="of which labels → lines")
    for i in {0, len(spectrum) - 1}:
        ax.annotate(f"{spectrum[i]:.3g} ms", (speed.batches[i], spectrum[i]), (0, 8), textcoords="offset points",
                    ha="center", fontsize=8)  # fmt: skip
    ax.set_xticks(speed.batches, [str(batch) for batch in speed.batches])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:g}")
    ax.margins(x=0.1, y=0.15)
    ax.grid(color=FAINT, alpha=0.3, lw=0.5)
    ax.set_xlabel("spectra in a batch")
    ax.set_ylabel("time per spectrum (ms)")
    ax.legend(fontsize=8)
    ax.set_title(f"{speed.tracks:,} tracks, {speed.pixels:,} pixels, {speed.threads} thread(s)", fontsize=10)
    return png(figure)
