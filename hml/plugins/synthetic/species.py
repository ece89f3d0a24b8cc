"""The species that absorb in the synthetic grid, and the lines of theirs that are put where nature has them.

Solar abundances: Asplund et al. 2009, ARA&A 47, 481. Ionisation energies, dissociation energies and partition
functions near 5000 K: rounded from D. F. Gray, The Observation and Analysis of Stellar Photospheres (3rd ed. 2005),
appendix D, and Sauval & Tatum 1984, ApJS 56, 193.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Atom:
    """An atom or ion whose lines are seen."""

    name: str
    stage: int  # 0 neutral, 1 singly ionised
    mass: float  # atomic units
    abundance: float  # log10, hydrogen = 12, solar
    ionisation: float  # of the neutral atom, eV
    partition: tuple[float, float]  # of the neutral atom and of the ion
    alpha: bool  # follows [α/Fe]
    share: float  # of the random atomic lines
    excitation: tuple[float, float] = (1.0, 5.0)  # of their lower levels, eV


@dataclass(frozen=True)
class Molecule:
    """A diatomic (or like one) molecule: the share of `abundance` bound in it is r/(1 + r) with
    log10 r = log10(partner pressure) + dissociation·θ − equilibrium."""

    name: str
    mass: float
    abundance: float  # of the rarer atom, log10, hydrogen = 12
    partner: float  # of the other, log10, hydrogen = 12
    partner_is_metal: bool
    dissociation: float  # eV
    equilibrium: float  # constant term of log10 K(T), dyn/cm²
    partition: float  # log10 at 3000 K
    rotation: float  # B of the lower state, cm⁻¹
    highest: int  # rotational level
    share: float  # of the molecular lines
    strength: float  # log10 of the mean band strength (gf summed over a head's lines of one J)
    spread: float  # how fast a branch runs from its head, Å at the highest level
    heads: tuple[float, ...]  # vacuum Å
    alpha: bool = False  # abundance and partner follow [α/Fe]
    frees: bool = False  # made of carbon that carbon monoxide has left


HYDROGEN = Atom("H I", 0, 1.008, 12.0, 13.598, (2.0, 1.0), False, 0.0)

ATOMS = (
    Atom("Fe I", 0, 55.85, 7.50, 7.902, (27.5, 42.0), False, 0.30, (2.2, 5.6)),
    Atom("Fe II", 1, 55.85, 7.50, 7.902, (27.5, 42.0), False, 0.02, (5.0, 7.5)),
    Atom("Ti I", 0, 47.87, 4.95, 6.828, (29.5, 56.0), True, 0.14, (0.8, 3.2)),
    Atom("Ti II", 1, 47.87, 4.95, 6.828, (29.5, 56.0), True, 0.01, (1.2, 4.0)),
    Atom("Si I", 0, 28.09, 7.51, 8.152, (9.3, 5.7), True, 0.11, (4.9, 6.4)),
    Atom("Mg I", 0, 24.31, 7.60, 7.646, (1.02, 2.0), True, 0.05, (4.3, 6.2)),
    Atom("Ca I", 0, 40.08, 6.34, 6.113, (1.2, 2.2), True, 0.05, (2.5, 5.0)),
    Atom("Ca II", 1, 40.08, 6.34, 6.113, (1.2, 2.2), True, 0.005, (6.5, 8.5)),
    Atom("Cr I", 0, 52.00, 5.64, 6.767, (10.5, 7.2), False, 0.09, (2.5, 4.5)),
    Atom("Ni I", 0, 58.69, 6.22, 7.640, (30.0, 10.8), False, 0.07, (1.7, 5.6)),
    Atom("V I", 0, 50.94, 3.93, 6.746, (43.0, 41.0), False, 0.05, (0.3, 2.6)),
    Atom("Mn I", 0, 54.94, 5.43, 7.434, (6.4, 7.7), False, 0.03, (2.1, 5.4)),
    Atom("Na I", 0, 22.99, 6.24, 5.139, (2.05, 1.0), False, 0.01, (2.1, 3.9)),
    Atom("K I", 0, 39.10, 5.03, 4.341, (2.2, 1.0), False, 0.01, (1.6, 3.4)),
    Atom("Al I", 0, 26.98, 6.45, 5.986, (5.9, 1.0), False, 0.015, (3.1, 5.0)),
    Atom("S I", 0, 32.06, 7.12, 10.36, (8.2, 4.1), True, 0.02, (6.5, 8.5)),
    Atom("C I", 0, 12.01, 8.43, 11.26, (9.3, 5.9), False, 0.02, (7.5, 9.0)),
    HYDROGEN,
)

MOLECULES = (
    Molecule("TiO", 63.87, 4.95, 8.40, True, 6.87, 12.6, 4.6, 0.535, 110, 0.46, -1.6, 220.0,
             (8207.0, 8305.0, 8434.0, 8444.5, 8454.0, 8516.0, 8572.0, 8862.0, 8940.0, 9211.0, 9280.0, 9500.0, 9728.0,
              9815.0, 10026.0, 10498.0, 10720.0, 11038.0, 11250.0, 11615.0, 11830.0, 12210.0, 12495.0), alpha=True),
    Molecule("FeH", 56.86, 7.50, 12.0, False, 1.63, 11.6, 3.2, 6.5, 40, 0.20, -2.6, 240.0,
             (8693.0, 9027.0, 9400.0, 9898.6, 10064.0, 10256.0, 10650.0, 11090.0, 11560.0, 11942.0, 12392.0)),
    Molecule("CN", 26.02, 7.83, 8.43, True, 7.76, 12.6, 3.5, 1.9, 70, 0.16, -1.6, 330.0,
             (8030.0, 8275.0, 9142.0, 9195.0, 9384.0, 10875.0, 10928.0, 11120.0, 11340.0, 12150.0), frees=True),
    Molecule("H2O", 18.02, 8.60, 12.0, False, 9.51, 19.9, 3.9, 14.0, 24, 0.18, -3.9, 420.0,
             (8170.0, 8935.0, 9290.0, 9370.0, 9480.0, 10900.0, 11080.0, 11300.0, 11440.0, 11850.0), alpha=True),
)

KNOWN_LINES = (  # species, vacuum Å, lower level eV, log gf of strong lines (about, after the NIST ASD)
    ("Ca II", 8500.35, 1.692, -1.37), ("Ca II", 8544.44, 1.700, -0.42), ("Ca II", 8664.52, 1.692, -0.68),
    ("Na I", 8185.51, 2.102, 0.24), ("Na I", 8197.08, 2.104, 0.54), ("Na I", 11384.57, 2.102, -0.20),
    ("Na I", 11406.90, 2.104, 0.10), ("K I", 11693.41, 1.610, 0.25), ("K I", 11772.87, 1.617, 0.51),
    ("K I", 11776.06, 1.617, -0.44), ("K I", 12435.68, 1.610, -0.44), ("K I", 12525.57, 1.617, -0.14),
    ("Mg I", 8809.18, 4.346, -0.13), ("Mg I", 11831.44, 4.346, -0.33), ("Mg I", 8738.42, 5.753, -0.80),
    ("Si I", 10588.05, 4.954, 0.01), ("Si I", 10606.33, 4.930, -0.40),
    ("Si I", 10830.06, 4.954, 0.30), ("Si I", 12034.80, 4.954, 0.48), ("Si I", 8754.41, 5.871, -0.60),
    ("Fe I", 8329.35, 2.198, -1.53), ("Fe I", 8390.08, 2.176, -1.49), ("Fe I", 8691.01, 2.176, -1.21),
    ("Fe I", 8826.64, 2.198, -1.53), ("Fe I", 11610.75, 2.198, -2.01), ("Fe I", 11976.32, 2.176, -1.48),
    ("Fe I", 11887.34, 2.198, -1.67), ("Ti I", 8380.17, 0.826, -1.64), ("Ti I", 8437.28, 0.836, -1.02),
    ("Ti I", 8685.37, 1.053, -1.68), ("Ti I", 9640.95, 0.848, -0.61), ("Ti I", 10399.65, 0.848, -1.54),
    ("Ti I", 12825.18, 1.460, -1.19), ("Ca I", 10346.66, 2.933, -0.30), ("Ca I", 12819.55, 3.910, -0.76),
    ("C I", 10694.2, 7.488, 0.34), ("C I", 8337.44, 7.685, -0.45), ("S I", 9215.4, 6.525, 0.42),
    ("S I", 10458.3, 6.860, 0.25), ("Mn I", 12903.3, 2.114, -1.07),
)
