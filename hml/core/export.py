"""Spectra out of hml, as files others can read."""

from __future__ import annotations

import io
from pathlib import Path

from hml.core.spectrum import Spectrum
from hml.core.store import write_text


def write_spectrum(spectrum: Spectrum, path: Path) -> None:
    """An ECSV table: wavelength (vacuum Å), flux with its unit, error where there is one."""
    from astropy import units as u
    from astropy.table import QTable

    unit = u.Unit(spectrum.unit) if spectrum.divided is None else u.dimensionless_unscaled
    columns = {"wavelength": spectrum.wavelength * u.AA, "flux": spectrum.flux * unit}
    if spectrum.error is not None:
        columns["error"] = spectrum.error * unit
    meta = {"medium": "vacuum", "frame": spectrum.frame.rest, **dict(spectrum.meta)}
    text = io.StringIO()
    QTable(columns, meta=meta).write(text, format="ascii.ecsv")
    write_text(path, text.getvalue())
