"""Names of what absorbs: `Fe I`, `TiO`. Line lists write them in many ways; here they become one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

SYMBOLS = (  # noqa: SIM905 (a table of 92 words reads better so)
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U"
).split()
"""By atomic number, from 1 on."""
STAGES = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")

ISOTOPE = re.compile(r"\(\d+\)")
CODE = re.compile(r"(\d{1,8})(?:\.(\d)\d*)?")
ATOM = re.compile(rf"([A-Z][a-z]?)(?:\s*({'|'.join(STAGES)})|\s+(\d{{1,2}}))")
MOLECULE = re.compile(r"((?:[A-Z][a-z]?\d?){1,6})(\+{0,2})(?:\s+(\d))?")
PART = re.compile(r"([A-Z][a-z]?)(\d?)")


def species_name(text: str) -> str:
    """`Fe I`, `Fe 1`, `FeI` and `26.0` (MOOG) are `Fe I`; `TiO`, `TiO 1`, `(48)TiO 1` and `822.0` are `TiO`.
    ValueError for anything else."""
    plain = ISOTOPE.sub("", text.strip())
    if code := CODE.fullmatch(plain):
        return _coded(code[1], int(code[2] or 0))
    if atom := ATOM.fullmatch(plain):
        stage = STAGES.index(atom[2]) if atom[2] else int(atom[3]) - 1
        return _atom(_number(atom[1]), stage)
    if molecule := MOLECULE.fullmatch(plain):
        atoms = [_number(symbol) for symbol, count in PART.findall(molecule[1]) for _ in range(int(count or 1))]
        if len(atoms) > 1:
            return _molecule(atoms, len(molecule[2]) + int(molecule[3] or 1) - 1)
    raise ValueError("a species is written like Fe I, Fe 1 or 26.0, a molecule like TiO, TiO 1 or 822.0")


def _number(symbol: str) -> int:
    if symbol not in SYMBOLS:
        raise ValueError(f"there is no element {symbol}")
    return SYMBOLS.index(symbol) + 1


def _coded(digits: str, charge: int) -> str:
    """The species of MOOG's code: `26.1`; of a molecule two digits an atom, `10108.0`, isotopes after the charge."""
    padded = digits.zfill(len(digits) + len(digits) % 2) if int(digits) >= 100 else digits
    atoms = [int(padded[i : i + 2]) for i in range(0, len(padded), 2)] if int(digits) >= 100 else [int(digits)]
    if not all(1 <= atom <= len(SYMBOLS) for atom in atoms):
        raise ValueError(f"{digits} is no atomic number, and no two digits an atom of a molecule")
    return _atom(atoms[0], charge) if len(atoms) == 1 else _molecule(atoms, charge)


def _atom(number: int, stage: int) -> str:
    if not 0 <= stage < len(STAGES):
        raise ValueError(f"{stage + 1} is no stage of ionisation that lists have (1 is neutral)")
    return f"{SYMBOLS[number - 1]} {STAGES[stage]}"


def _molecule(atoms: Sequence[int], charge: int) -> str:
    """In the usual order: metals, C, N, O; hydrogen last in FeH and OH, first in H2O and HCN."""
    order = {1: -1 if len(atoms) > 2 else 200, 6: 101, 7: 102, 8: 103}
    counts = sorted(Counter(atoms).items(), key=lambda item: (order.get(item[0], item[0]), item[0]))
    return "".join(f"{SYMBOLS[z - 1]}{n if n > 1 else ''}" for z, n in counts) + "+" * charge
