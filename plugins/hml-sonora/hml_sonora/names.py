"""The labels in the names of the authors' files. Gravity is in m/s² there, cut to whole numbers."""

from __future__ import annotations

import math
import re

from hml import GridError, Node

G = r"(?P<g>\d{2,4}(?:\.0)?)"
SIGNED = r"[+-]?\d+\.\d+"
BOBCAT = re.compile(rf"sp_t(?P<teff>\d+)g{G}nc_m(?P<feh>{SIGNED})(?:_co(?P<co>\d\.\d))?(?:\.gz)?")
CHOLLA = re.compile(rf"(?P<teff>\d+)K_{G}g_logkzz(?P<logkzz>\d+)\.spec")
DIAMONDBACK = re.compile(rf"t(?P<teff>\d+)g{G}(?P<cloud>nc|f\d+)_m(?P<feh>{SIGNED})_co1\.0\.spec")
ELF_OWL = re.compile(
    rf"spectra_logzz_(?P<logkzz>\d+\.\d+)_teff_(?P<teff>\d+\.\d+)_grav_{G}_mh_(?P<feh>{SIGNED})_co_(?P<co>\d\.\d+)\.nc"
)


def logg(metres: str, name: str) -> float:
    """The node's log g in cm/s², a multiple of 0.25, from the m/s² of a name. GridError if it is near none."""
    exact = math.log10(float(metres) * 100)
    node = round(4 * exact) / 4
    if abs(exact - node) > 0.03:
        raise GridError(f"{name}: a gravity of {metres} m/s² is no node of this grid (log g in steps of 0.25)")
    return node


def node(name: str, pattern: re.Pattern[str], labels: tuple[str, ...], start: str) -> Node | None:
    """The node of a file name; None if it does not look like one of this grid (begins with `start`, ends alike).
    GridError for one that does and still does not fit."""
    if name.startswith(("._", ".")) or not re.match(start, name):
        return None
    found = pattern.fullmatch(name)
    if found is None:
        raise GridError(f"{name[:200]!r}: is named like no spectrum of this grid that is known here; move it elsewhere")
    values = found.groupdict()
    told = {**values, "logg": logg(values["g"], name), "co": values.get("co") or "1.0"}
    return tuple(float(told[label]) + 0.0 for label in labels)


def fsed(name: str, clear: float | None) -> Node | None:
    """The node (teff, logg, feh, fsed) of a Diamondback file; cloudless models stand at `clear` or are left out."""
    found = DIAMONDBACK.fullmatch(name)
    if found is None:
        return node(name, DIAMONDBACK, (), r"t\d.*\.spec$")
    cloud = clear if found["cloud"] == "nc" else float(found["cloud"][1:])
    if cloud is None:
        return None
    return float(found["teff"]), logg(found["g"], name), float(found["feh"]) + 0.0, cloud
