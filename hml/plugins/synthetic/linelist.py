"""The lines of the synthetic grid, drawn by seed: positions, levels, strengths, damping."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hml.plugins.synthetic.species import ATOMS, KNOWN_LINES, MOLECULES, Atom, Molecule

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RANGE = (7900.0, 13100.0)  # vacuum Å; lines are drawn here whatever the band, so that bands agree with each other
HPF_BAND = (8038.0, 12849.0)
ATOMIC_SHARE = 0.45
SPECIES: tuple[Atom | Molecule, ...] = (*ATOMS, *MOLECULES)
HYDROGEN_INDEX = len(ATOMS) - 1
RYDBERG = 1.0967758e5  # of hydrogen, cm⁻¹


@dataclass(frozen=True, eq=False)
class LineList:
    """Every array is `[L]`, sorted by wavelength."""

    wavelength: Floats  # vacuum Å
    species: Ints  # index into SPECIES
    excitation: Floats  # of the lower level, eV
    log_gf: Floats
    log_c6: Floats  # van der Waals constant

    def __len__(self) -> int:
        return len(self.wavelength)

    def take(self, which: NDArray[np.bool_] | Ints) -> LineList:
        """Some of the lines."""
        return LineList(*(getattr(self, f.name)[which] for f in fields(self)))


def draw_lines(count: int, seed: int) -> LineList:
    """`count` random lines in the HPF band (as many per Å around it), and those whose places are known."""
    rng = np.random.Generator(np.random.PCG64(seed))
    total = count * (RANGE[1] - RANGE[0]) / (HPF_BAND[1] - HPF_BAND[0])
    atomic = round(total * ATOMIC_SHARE)
    parts = [_atomic(atomic, rng), _molecular(round(total) - atomic, rng), _known(), _paschen()]
    every = LineList(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(LineList)))
    return every.take(np.argsort(every.wavelength, kind="stable"))


def _atomic(count: int, rng: np.random.Generator) -> LineList:
    shares = np.array([atom.share for atom in ATOMS])
    species = rng.choice(len(ATOMS), size=count, p=shares / shares.sum())
    low, high = np.array([atom.excitation for atom in ATOMS])[species].T
    return LineList(
        wavelength=rng.uniform(*RANGE, count),
        species=species,
        excitation=low + (high - low) * np.sqrt(rng.uniform(size=count)),  # more levels the higher they lie
        log_gf=-0.7 - rng.gamma(2.0, 0.9, count),
        log_c6=rng.normal(-32.5, 0.35, count),
    )


def _molecular(count: int, rng: np.random.Generator) -> LineList:
    shares = np.array([m.share for m in MOLECULES])
    each = rng.multinomial(count, shares / shares.sum())
    parts = [_bands(m, len(ATOMS) + i, int(n), rng) for i, (m, n) in enumerate(zip(MOLECULES, each, strict=True))]
    return LineList(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(LineList)))


def _bands(molecule: Molecule, index: int, count: int, rng: np.random.Generator) -> LineList:
    """Lines along Fortrat parabolas from band heads towards the red (Herzberg, Spectra of Diatomic Molecules, ch.
    IV.3); lower levels B·J(J + 1) above a vibrational level."""
    j = rng.integers(1, molecule.highest + 1, count)
    head = rng.choice(np.array(molecule.heads), count)
    branch = rng.choice([0.55, 0.8, 1.0], count) * (j / molecule.highest) ** 2
    vibration = 0.12 * rng.geometric(0.6, count)
    wavelength = head + molecule.spread * branch + rng.normal(0.0, 0.8, count)
    wavelength = RANGE[0] + np.mod(wavelength - RANGE[0], RANGE[1] - RANGE[0])
    return LineList(
        wavelength=wavelength,
        species=np.full(count, index),
        excitation=molecule.rotation * j * (j + 1) * 1.23984e-4 + vibration,
        log_gf=molecule.strength + np.log10(2 * j + 1) - 1 + rng.normal(0.0, 0.35, count),
        log_c6=np.full(count, -33.0),
    )


def _known() -> LineList:
    names = [s.name for s in SPECIES]
    species, wavelength, excitation, log_gf = zip(*KNOWN_LINES, strict=True)
    index = np.array([names.index(name) for name in species])
    return LineList(np.array(wavelength), index, np.array(excitation), np.array(log_gf), np.full(len(index), -32.2))


def _paschen() -> LineList:
    """Hydrogen from n = 3 up to n = 5–16: Rydberg's formula; Kramers' oscillator strengths (Gray chapter 8)."""
    n = np.arange(5, 17)
    wavelength = 1e8 / (RYDBERG * (1 / 9 - 1 / n**2))
    strength = 32 / (3 * np.pi * np.sqrt(3)) / (3**5 * n**3) / (1 / 9 - 1 / n**2) ** 3
    keep = (wavelength > RANGE[0]) & (wavelength < RANGE[1])
    return LineList(
        wavelength[keep], np.full(int(keep.sum()), HYDROGEN_INDEX), np.full(int(keep.sum()), 12.088),
        np.log10(2 * 3**2 * strength)[keep], np.full(int(keep.sum()), -32.0),
    )
