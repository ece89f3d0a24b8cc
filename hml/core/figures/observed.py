"""An observed spectrum as it was understood: its orders, what is masked, and how good it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from hml.core.exposures import Exposure, masked_pixels
from hml.core.figures.canvas import FAINT, INK, MODEL, blank, png
from hml.core.spectrum import Spectrum
from hml.core.understood import snr

ABREAST = 4  # orders in a panel
MOST = 15  # panels


def observed(exposure: Exposure) -> bytes:
    """Every order with its masked pixels, below the S/N of all."""
    orders = sorted([*exposure.orders, *exposure.dropped], key=lambda order: order.band[0])
    abreast = max(min(ABREAST, len(orders)), -(-len(orders) // MOST))
    panels = [orders[i : i + abreast] for i in range(0, len(orders), abreast)]
    height = [1.0 if len(orders) > 1 else 0.0] + [1.5] * len(panels)
    rows = height if height[0] else height[1:]
    figure, axes = blank(len(rows), 1, (11, 0.9 + 1.35 * sum(rows)), gridspec_kw={"height_ratios": rows})
    if height[0]:
        _quality(axes[0, 0], exposure.orders)
    for ax, panel in zip(axes[-len(panels) :, 0], panels, strict=True):
        _panel(ax, panel)
    _legend(axes[-len(panels), 0], exposure)
    frame = exposure.orders[0].frame
    axes[-1, 0].set_xlabel(f"vacuum wavelength (Å), {frame.rest} frame")
    title = f"{exposure.path.name}: {len(exposure.orders)} of {len(orders)} orders used, read by {exposure.reader}"
    if exposure.velocity is not None:
        title += f", barycentric {exposure.velocity:+.3f} km/s applied"
    axes[0, 0].set_title(title.replace("$", r"\$"), fontsize=10, loc="left")
    return png(figure)


def _quality(ax: Any, orders: list[Spectrum]) -> None:
    values = [(np.mean(order.band), ratio) for order in orders if (ratio := snr(order)) is not None]
    if values:
        ax.plot(*zip(*values, strict=True), "o-", color=INK, ms=3, lw=0.7)
        ax.set_ylim(bottom=0)
    ax.set_ylabel("S/N of pixels")
    ax.margins(x=0.02)


def _panel(ax: Any, orders: list[Spectrum]) -> None:
    for order in orders:
        used = order.used & np.isfinite(order.flux)
        out = ~order.used & np.isfinite(order.flux)
        lit = order.flux[order.flux > 0]  # NaN compares false
        flux = order.flux / (np.percentile(lit, 95) if len(lit) else 1.0)
        for pixels, color in ((out, MODEL), (used, INK)):
            ax.plot(order.wavelength, np.where(pixels, flux, np.nan), color=color, lw=0.6)
        # a used pixel between two masked ones is no line: show it
        ax.plot(order.wavelength[out], flux[out], ".", color=MODEL, ms=0.8)
        ax.axvline(order.band[0], color=FAINT, lw=0.6, ls=":")
    ax.set_ylim(-0.05, 1.35)
    ax.set_xlim(orders[0].band[0], orders[-1].band[1])
    ax.set_ylabel("flux / level", fontsize=8)
    ax.ticklabel_format(useOffset=False)


def _legend(ax: Any, exposure: Exposure) -> None:
    causes = masked_pixels((*exposure.orders, *exposure.dropped))
    told = ", ".join(f"{cause} {count:,}" for cause, count in causes.items())
    ax.plot([], [], color=INK, lw=1, label="used")
    if told:
        ax.plot([], [], color=MODEL, lw=1, label=f"masked ({told})".replace("$", r"\$"))
    ax.legend(fontsize=7, loc="upper right", ncols=2, frameon=True)
