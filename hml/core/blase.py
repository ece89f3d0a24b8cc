"""Clones of blase, in and out: PyTorch state dicts, read with `weights_only=True`."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hml.core.errors import ArtefactError
from hml.core.lines import Clone
from hml.core.space import LIGHT
from hml.core.store import write_bytes

COLUMNS = {"ln_amplitude": "amplitudes", "ln_sigma": "sigma_widths", "ln_gamma": "gamma_widths"}
SCALARS = {"radial_velocity": 0.0, "a_coeff": 1.0, "b_coeff": 0.0, "c_coeff": 0.0}


def read_blase(path: Path) -> Clone:
    """A clone of blase: profile `pseudo_voigt` with `widths: separate`, composition `product`.

    Centres are stored without blase's global radial velocity; it is kept in `meta["radial_velocity"]` (km/s), and the
    returned centres include it, so that they lie where blase rendered them.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # whatever a foreign file makes the unpickler say
        raise ArtefactError(f"{path}: is not a blase state dict ({type(error).__name__})") from None
    return _clone(state, path)


def _clone(state: Any, path: Path) -> Clone:
    wanted = ("lam_centers", *COLUMNS.values())
    if not isinstance(state, dict) or any(not isinstance(state.get(key), torch.Tensor) for key in wanted):
        raise ArtefactError(f"{path}: a blase clone needs the tensors {', '.join(wanted)}")
    arrays = [state[key].double().numpy() for key in wanted]
    if any(a.ndim != 1 or a.shape != arrays[0].shape for a in arrays) or not all(np.isfinite(a).all() for a in arrays):
        raise ArtefactError(f"{path}: {', '.join(wanted)} must be finite rows of one length")
    scalars = {name: float(state.get(name, default)) for name, default in SCALARS.items()}
    found = state["pre_line_centers"].double().numpy() if "pre_line_centers" in state else arrays[0]
    order = np.argsort(found)
    centre = arrays[0] * (1 + scalars["radial_velocity"] / LIGHT)
    return Clone(
        centre[order],
        np.stack(arrays[1:], -1)[order],
        tuple(COLUMNS),
        found[order],
        float("nan"),
        {**scalars, **_labels(path)},
    )


def _labels(path: Path) -> dict[str, float]:
    """Labels from a name such as T5800G4.5Z-0.5.pt; none from any other."""
    match = re.fullmatch(r"T(\d+)G([\d.]+)Z([+-]?[\d.]+)", path.stem)
    return dict(zip(("teff", "logg", "feh"), map(float, match.groups()), strict=True)) if match else {}


def blase_name(labels: Mapping[str, float]) -> str:
    """The file name blase gives a clone; ArtefactError for labels that it has no place for."""
    if set(labels) != {"teff", "logg", "feh"}:
        raise ArtefactError(f"blase names its clones by teff, logg and feh; this grid has {', '.join(labels)}")
    return f"T{labels['teff']:.0f}G{labels['logg']:.1f}Z{labels['feh']:.1f}.pt"


def write_blase(clone: Clone, path: Path) -> None:
    """A state dict that blase reads. Only for clones with ln_amplitude, ln_sigma and ln_gamma."""
    if clone.names != tuple(COLUMNS):
        raise ArtefactError(f"{path}: blase clones have {', '.join(COLUMNS)}; this one has {', '.join(clone.names)}")
    state = {"lam_centers": torch.as_tensor(clone.centre), "pre_line_centers": torch.as_tensor(clone.found)}
    state |= {key: torch.as_tensor(clone.params[:, i].copy()) for i, key in enumerate(COLUMNS.values())}
    state |= {name: torch.tensor(value, dtype=torch.float64) for name, value in SCALARS.items()}
    out = io.BytesIO()
    torch.save(state, out)
    write_bytes(path, out.getvalue())
