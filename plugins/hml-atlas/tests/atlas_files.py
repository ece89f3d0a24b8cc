"""Small atlases in both layouts, of the same made-up models."""

from __future__ import annotations

from pathlib import Path

import numpy as np

# the first and the last of the genuine 1221 wavelengths, Å, with as many between
WAVE = np.concatenate([np.linspace(90.9, 2890, 301), np.arange(2910.0, 10000.0, 20), np.geomspace(10050, 1.6e6, 565)])
LIGHT = 2.99792458e18  # Å/s


def flux_of(teff: float, logg: float, feh: float) -> np.ndarray:
    """erg/s/cm²/Å."""
    line = np.exp(-0.5 * ((WAVE - 6563) / 60) ** 2)
    return 1e6 * (teff / 5000) ** 4 * (WAVE / 5000) ** -2.0 * (1 - (0.3 + 0.05 * logg + 0.1 * feh) * line)


def write_table(path: Path, teff: float, feh: float, gravities: tuple[float, ...]) -> Path:
    """STScI's: eleven columns, zeros where there is no model."""
    from astropy.io import fits

    columns = [fits.Column("WAVELENGTH", "1E", "ANGSTROMS", array=WAVE)]
    for logg in np.arange(0, 5.5, 0.5):
        flux = flux_of(teff, logg, feh) if logg in gravities else np.zeros(len(WAVE))
        columns.append(fits.Column(f"g{round(10 * logg):02d}", "1E", "FLAM", array=flux))
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)])
    hdus[0].header["TEFF"], hdus[0].header["LOG_Z"] = int(teff), float(feh)
    path.parent.mkdir(parents=True, exist_ok=True)
    hdus.writeto(path)
    return path


def write_text(path: Path, models: list[tuple[float, float]], feh: float, *, old: bool = False) -> Path:
    """Kurucz's: nm in 8F10.2; of each model H_ν and that of the continuum in 8E10.4."""
    lines = [f"      program line {i}" for i in range(22)] if old else []
    lines += _rows([f"{w / 10:10.2f}" for w in WAVE])
    for teff, logg in models:
        title = "SDSC GRID  [{:+.1f}]   VTURB 2.0 KM/S  L/H 1.25" if old else "[{:.1f}] VTURB=2  L/H=1.25 NOVER NEW ODF"
        lines.append(f"TEFF {teff:6.0f}.  GRAVITY {logg:7.5f}  {title.format(feh)}")
        h_nu = flux_of(teff, logg, feh) * WAVE**2 / LIGHT / (4 * np.pi)
        lines += _rows([_fortran(h) for h in h_nu]) + _rows([_fortran(2 * h) for h in h_nu])
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def _rows(fields: list[str]) -> list[str]:
    return ["".join(fields[i : i + 8]) for i in range(0, len(fields), 8)]


def _fortran(value: float) -> str:
    """E10.4: 0.1234E-05, without a blank between neighbours."""
    mantissa, exponent = f"{value:.3E}".split("E")
    return f"0.{mantissa.replace('.', '')}E{int(exponent) + 1:+03d}"
