"""The synthetic grid written out as PHOENIX's own files and read back by astropy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from hml import GridError, LabelError
from hml.plugins.synthetic import SyntheticConfig
from hml.plugins.synthetic.sampling import phoenix_wavelengths
from hml.plugins.synthetic.source import SyntheticGrid
from hml.plugins.synthetic.tree import node_path, write_tree

NAME = "PHOENIX-ACES-AGSS-COND-2011"


def grid(**fields: Any) -> SyntheticGrid:
    return SyntheticGrid(SyntheticConfig.model_validate({"preprocess": [], "wavelength": [8700, 8710], **fields}))


@pytest.mark.parametrize("labels, path", [
    ((5800, 4.5, 0.0, 0.0), "Z-0.0/lte05800-4.50-0.0"), ((12000, 0.0, 0.5, 0.0), "Z+0.5/lte12000-0.00+0.5"),
    ((3000, 6.0, -0.5, 0.2), "Z-0.5.Alpha=+0.20/lte03000-6.00-0.5.Alpha=+0.20"),
    ((3000, 5.0, -0.0, -0.2), "Z-0.0.Alpha=-0.20/lte03000-5.00-0.0.Alpha=-0.20"),
])
def test_names(labels: tuple[float, ...], path: str) -> None:
    of = dict(zip(("teff", "logg", "feh", "alpha"), labels, strict=True))
    assert node_path(of).as_posix() == f"{path}.{NAME}-HiRes.fits"


def test_labels_and_flux_come_back(tmp_path: Path) -> None:
    source = grid(teff={"nodes": [4000, 5200]}, logg=4.5, feh={"nodes": [-0.5, 0, 0.5]}, alpha={"nodes": [0, 0.2]})
    wave, *files = source.write_phoenix_tree(tmp_path)
    assert wave == tmp_path / f"WAVE_{NAME}.fits"
    assert len(files) == 12 == len(list((tmp_path / NAME).rglob("*.fits")))
    assert not list(tmp_path.rglob("*.part"))
    pixels = fits.getdata(wave)
    for file, node in zip(files, source.nodes(), strict=True):
        with fits.open(file) as hdus:
            head = hdus[0].header
            assert tuple(head[key] for key in ("PHXTEFF", "PHXLOGG", "PHXM_H", "PHXALPHA")) == node
            assert (head["INTERPOL"], head["PHXCONV"]) == (False, True)
            assert hdus[0].data.dtype == ">f4"
            assert isinstance(hdus[1], fits.BinTableHDU)
            spectrum = source.load(node)
            assert np.array_equal(pixels, spectrum.wavelength)
            assert np.array_equal(hdus[0].data, spectrum.flux.astype(">f4"))


def test_abundances_follow_metallicity_and_alpha(tmp_path: Path) -> None:
    source = grid(teff=5000, logg=4.5, feh=-0.5, alpha=0.2)
    table = fits.getdata(source.write_phoenix_tree(tmp_path)[1], 1)
    assert [float(table[e][0]) for e in ("H", "Fe", "Ti")] == pytest.approx([12.0, 7.0, 4.65], abs=1e-5)


def test_a_full_size_file(tmp_path: Path) -> None:
    source = grid(teff=4000, logg=4.5, feh=0)
    pixels = phoenix_wavelengths()
    _, file = write_tree(source, tmp_path, wavelength=pixels)
    assert file.stat().st_size > 4 * 1_569_128
    flux, spectrum = fits.getdata(file).astype(float), source.load(source.nodes()[0])
    first = int(np.searchsorted(pixels, 8700 - 1e-6))
    assert flux[first : first + len(spectrum)] == pytest.approx(spectrum.flux, rel=1e-6)
    assert np.isfinite(flux).all()
    assert np.all(flux[pixels > 2000] > 0)
    for beyond, end in ((first - 1, 0), (first + len(spectrum), -1)):
        assert flux[beyond] == pytest.approx(spectrum.flux[end], rel=1e-4)


def test_some_nodes_only(tmp_path: Path) -> None:
    source = grid()
    assert len(write_tree(source, tmp_path, nodes=source.nodes()[3:5])) == 3


def test_labels_without_a_file_name_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"feh = -0\.25 cannot be written"):
        write_tree(grid(teff=5000, logg=4.5, feh={"nodes": [0, -0.25]}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GridError, match=r"cannot be written .*choose another folder"):
        write_tree(grid(teff=5000, logg=4.5, feh=0), tmp_path / "file" / "tree")
