"""What was understood of a file, as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np

from hml.core.exposures import Exposure, masked_pixels
from hml.core.spectrum import Spectrum


def describe(exposure: Exposure) -> dict[str, Any]:
    """Reader, wavelengths, frame, noise and masks of one exposure and its orders, as JSON values."""
    orders = [*exposure.orders, *exposure.dropped]
    first = exposure.orders[0]
    lights = [row for order in exposure.orders if (row := photon_noise(order)) is not None]
    return {
        "file": str(exposure.path),
        "reader": exposure.reader,
        "object": "".join(sign for sign in str(first.meta.get("OBJECT", "")) if sign.isprintable()).strip() or None,
        "orders": len(orders),
        "orders_used": len(exposure.orders),
        "pixels": sum(map(len, orders)),
        "pixels_used": int(sum(order.used.sum() for order in exposure.orders)),
        "wavelength": [min(o.band[0] for o in exposure.orders), max(o.band[1] for o in exposure.orders)],
        "medium": first.frame.medium,
        "frame": first.frame.rest,
        "barycentric_velocity": exposure.velocity,
        "stated_velocity": first.pointing.velocity if first.pointing else None,
        "zero_point": None if exposure.zero is None else exposure.zero._asdict(),
        "unit": first.unit or None,
        "uncertainty": None if first.error is None else first.meta.get("uncertainty", "errors"),
        "sky_subtracted": first.meta.get("sky"),
        "photon_noise": float(np.median(lights)) if lights else None,
        "masked": masked_pixels(orders),
        "notes": list(exposure.notes),
        "order": [_row(order) for order in sorted(orders, key=lambda order: order.band[0])],
    }


def _row(order: Spectrum) -> dict[str, Any]:
    used = order.used
    return {
        "number": order.meta.get("order"),
        "wavelength": list(order.band),
        "pixels": len(order),
        "used": int(used.sum()) if np.isfinite(order.flux[used]).any() else 0,
        "snr": snr(order),
        "photon_noise": photon_noise(order),
        "masked": dict(order.meta.get("masked", {})),
    }


def snr(order: Spectrum) -> float | None:
    """Median flux over error of the used pixels; None without any."""
    if order.error is None or not order.used.any():
        return None
    with np.errstate(all="ignore"):
        ratio = (order.flux / order.error)[order.used]
    ratio = ratio[np.isfinite(ratio)]
    return float(np.median(ratio)) if len(ratio) else None


def photon_noise(order: Spectrum) -> float | None:
    """Median variance over that of the photons alone; None where the file does not tell electrons per second and an
    exposure time. Of a bright star it is about 1, or 1.2 for rates fitted to many reads (6/5: Rauscher et al. 2007,
    PASP 119, 768); far from that, variances were taken for errors, or the file counts no photons any more."""
    exposure = order.pointing.exposure if order.pointing else None
    if order.error is None or not exposure or order.unit != "electron / s":
        return None
    raw = order.restore()
    assert raw.error is not None
    good = raw.used & (raw.flux > 0)
    return float(np.median(raw.error[good] ** 2 * exposure / raw.flux[good])) if good.any() else None
