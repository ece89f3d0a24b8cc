"""File names of the PHOENIX ACES library ↔ labels. Layout: Husser et al. 2013, A&A 553, A6, and the public server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

RELEASE = "PHOENIX-ACES-AGSS-COND-2011"
WAVE = f"WAVE_{RELEASE}.fits"

TEFF = tuple(float(t) for t in (*range(2300, 7001, 100), *range(7200, 12001, 200)))
LOGG = tuple(i / 2 for i in range(13))
FEH = (-4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)
ALPHA = (-0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
AXES = {"teff": TEFF, "logg": LOGG, "feh": FEH, "alpha": ALPHA}

_NAME = re.compile(
    rf"lte(\d{{5}})-(\d\.\d\d)([+-]\d\.\d)(?:\.Alpha=([+-]\d\.\d\d))?\.{RELEASE}-HiRes\.fits", re.ASCII
)


class Labels(NamedTuple):
    """All four labels of a file: K and dex."""

    teff: float
    logg: float
    feh: float
    alpha: float = 0.0

    def __str__(self) -> str:
        return f"{self.teff:.0f}/{self.logg:.2f}/{_metallicity(self.feh)}{_alpha(self.alpha)}"


def file_path(labels: Labels) -> str:
    """Where the spectrum lies below a base URL or folder: `PHOENIX-…/Z-0.5/lte05800-4.50-0.5.PHOENIX-….fits`."""
    end = _metallicity(labels.feh) + _alpha(labels.alpha)
    return f"{RELEASE}/Z{end}/lte{labels.teff:05.0f}-{labels.logg:.2f}{end}.{RELEASE}-HiRes.fits"


def parse_name(name: str) -> Labels | None:
    """The labels in a file's name; None if it is no PHOENIX spectrum."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return Labels(*(float(text or 0) + 0.0 for text in match.groups()))  # + 0.0 turns -0.0 into 0.0


def scan(root: Path) -> Iterator[tuple[Labels, Path]]:
    """The spectra in the `Z…` folders of `root` that lie where their names say."""
    for folder in sorted(root.glob("Z*")):
        for path in sorted(folder.glob("lte*.fits")):
            labels = parse_name(path.name)
            if labels is not None and file_path(labels) == f"{RELEASE}/{folder.name}/{path.name}":
                yield labels, path


def _metallicity(feh: float) -> str:
    return "-0.0" if abs(feh) < 0.05 else f"{feh:+.1f}"


def _alpha(alpha: float) -> str:
    return "" if abs(alpha) < 0.005 else f".Alpha={alpha:+.2f}"
