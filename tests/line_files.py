"""The synthetic grid's own line list, written as MOOG, VALD and astropy would write it."""

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from hml import vacuum_to_air
from hml.plugins.synthetic.linelist import SPECIES, LineList, draw_lines

STAGES = {"I": 1, "II": 2}
MOOG_MOLECULES = {"TiO": "822.0", "FeH": "126.0", "CN": "607.0", "H2O": "10108.0"}
NUMBERS = {"H": 1, "C": 6, "Na": 11, "Mg": 12, "Al": 13, "Si": 14, "S": 16, "K": 19, "Ca": 20, "Ti": 22, "V": 23,
           "Cr": 24, "Mn": 25, "Fe": 26, "Ni": 28}


def synthetic_lines(low=8690.0, high=8765.0, count=20000, seed=0) -> LineList:
    """The lines of the preset `small` in a band (vacuum Å)."""
    lines = draw_lines(count, seed)
    return lines.take((lines.wavelength > low) & (lines.wavelength < high))


def names(lines: LineList) -> list[str]:
    return [SPECIES[i].name for i in lines.species]


def moog_code(name: str) -> str:
    if name in MOOG_MOLECULES:
        return MOOG_MOLECULES[name]
    element, stage = name.split()
    return f"{NUMBERS[element]}.{STAGES[stage] - 1}"


def vald_name(name: str) -> str:
    element, *stage = name.split()
    return f"{element} {STAGES[stage[0]] if stage else 1}"


def write_moog(path: Path, lines: LineList) -> None:
    rows = ["lines of the synthetic grid"]
    for wavelength, name, chi, gf in zip(vacuum_to_air(lines.wavelength), names(lines), lines.excitation,
                                         lines.log_gf, strict=True):
        rows.append(f"{wavelength:10.4f}{moog_code(name):>10}{chi:10.4f}{gf:10.4f}" + " " * 30 + "     10.0")
    path.write_text("\n".join(rows) + "\n")


def vald_rows(lines: LineList, shape: str, medium: str) -> list[str]:
    """`shape`: stellar, all, or long. Terms and references follow as VALD has them."""
    wavelength = vacuum_to_air(lines.wavelength) if medium == "air" else lines.wavelength
    rows = []
    for w, name, chi, gf in zip(wavelength, names(lines), lines.excitation, lines.log_gf, strict=True):
        start = f"'{vald_name(name)}',".ljust(14) + f"{w:11.5f}, "
        if shape == "stellar":
            rows.append(start + f"{chi:.4f}, 1.0, {gf:.3f}, 8.000,-5.400,-7.700,  1.250, 0.300, '   1 wl:K14 {name}'")
        elif shape == "all":
            rows.append(start + f"{chi:.4f}, {gf:.3f}, 8.000,-5.400,-7.700,  1.250,'   1 K14   1 K14  {name}'")
        else:
            rows += [start + f"{gf:.3f}, {chi:.4f},  3.0,  4.7332,  2.0,  1.240,  1.100,  1.610, 7.980,-6.170,-7.790,"]
            rows += [f"'  LS{'3d7.(4F).4s a3F':>80}'", f"  LS{'3d7.(4F).4p z3D*':>80}", f"'_     B  {name}, 1 wl:N94'"]
    return rows


HEADINGS = {
    "stellar": "Spec Ion       WL_{}(A) Excit(eV) Vmic log gf*  Rad.  Stark    Waals  factor  depth  Reference",
    "all": "Elm Ion       WL_{}(A) Excit(eV) log(gf)   Rad.  Stark    Waals  factor   References",
    "long": "Elm Ion       WL_{}(A)  log gf* E_low(eV) J lo  E_up(eV) J up   lower  upper   mean  Rad.  Stark  Waals",
}
FOOT = ["'castelli_ap00k2_T05750G45.krz',", "'MARCS 5750', ", "'H :  0.92','He: -1.11','Li:-10.88',",
        "'Es:-20.00','END'", "* oscillator strengths were scaled by the solar isotopic ratios.",
        " References:", "  1. Kurucz: Fe 1"]


def write_vald(path: Path, lines: LineList, shape: str, medium: str) -> None:
    told = "Wavelength region, lines selected, lines processed, Vmicro"
    head = [f" 8690.00000, 8765.00000, {len(lines)}, 99999, 1.0 {told}"] if shape == "stellar" else []
    head += ["                          Damping parameters   Lande", HEADINGS[shape].format(medium[:3])]
    path.write_text("\n".join([*head, *vald_rows(lines, shape, medium), *FOOT]) + "\n")


def write_ecsv(path: Path, lines: LineList, wavelength_unit: str = "AA", energy_unit: str = "eV", **meta) -> None:
    table = QTable({
        "wavelength": (lines.wavelength * u.AA).to(wavelength_unit),
        "species": names(lines),
        "excitation": (lines.excitation * u.eV).to(energy_unit, u.spectral()),
        "log_gf": lines.log_gf,
    }, meta=meta)
    table.write(path, format="ascii.ecsv", overwrite=True)


def same(read, lines: LineList, wavelength_digits: float) -> None:
    """What was read is what was written, to the digits of the format."""
    assert len(read) == len(lines)
    np.testing.assert_allclose(read.wavelength, lines.wavelength, atol=0.6 * wavelength_digits)
    assert read.species.tolist() == names(lines)
    np.testing.assert_allclose(read.excitation, lines.excitation, atol=6e-5)
    np.testing.assert_allclose(read.log_gf, lines.log_gf, atol=6e-4)
