"""Tables of spectra in .npz files: rows and columns, files from strangers, and the real low-resolution tables."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from hml import BuildContext, GridError, GridSource, RunConfig, installed, parse_config, run, vacuum_to_air
from hml import build as make
from hml.testing import GridChecks

MICRONS = np.linspace(0.8, 1.2, 50)
NODES = [(t, g, c) for t in (900.0, 1000.0) for g in (4.5, 5.0) for c in (0.5, 1.0) if g == 5 or c == 1]


def write(path: Path, **more: np.ndarray) -> Path:
    teff, logg, co = np.array(NODES).T
    arrays = {"teff": teff, "logg": logg, "co": co, "z": np.zeros(len(teff)), "model": np.full(len(teff), "toy"),
              "wave_um": MICRONS, "flux": np.outer(teff, MICRONS).astype("f4") + logg[:, None]}  # fmt: skip
    np.savez(path, **{name: values for name, values in (arrays | more).items() if values is not None})
    return path


def build(path: Path, **fields: object) -> GridSource:
    component = installed().get("grids", "table_npz")
    return component.build(component.config.model_validate({"path": path, **fields}), BuildContext())


def test_columns_of_numbers_that_vary_are_the_labels(tmp_path: Path) -> None:
    grid = build(write(tmp_path / "toy.npz"), unit="erg / (s cm2 um)")
    assert grid.space.names == ("teff", "logg", "co")
    assert list(grid.nodes()) == NODES
    assert grid.holes() == [(900, 4.5, 0.5), (1000, 4.5, 0.5)]
    spectrum = grid.load((1000, 5, 0.5))
    np.testing.assert_allclose(spectrum.wavelength, MICRONS * 1e4)
    np.testing.assert_allclose(spectrum.flux, 1000 * MICRONS + 5, rtol=1e-6)
    assert (spectrum.unit, spectrum.frame.medium) == ("erg / (s cm2 um)", "vacuum")
    assert grid.resolving_power is None


def test_labels_are_named_rows_and_nodes_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "toy.npz", clouds=np.array(["no"] * 5 + ["yes"]))
    grid = build(path, labels={"teff": "teff", "logg": "logg", "feh": "z"}, rows={"co": 1, "clouds": "no"},
                 select={"teff": [850, 950]}, wavelength=[9000, 10_000], resolving_power=200)  # fmt: skip
    assert list(grid.nodes()) == [(900, 4.5, 0), (900, 5, 0)]
    assert grid.load((900, 5, 0)).band == pytest.approx((9000, 10_000), abs=100)
    assert grid.resolving_power == 200
    with pytest.raises(GridError, match=r"toy.npz: there is no node teff=900, logg=6, feh=0"):
        grid.load((900, 6, 0))


def test_numbers_written_as_text_and_negative_zeros(tmp_path: Path) -> None:
    fsed = np.array(["1.0", "2.0", "10.0", "1.0", "2.0", "10.0"])
    grid = build(write(tmp_path / "toy.npz", fsed=fsed, co=None, z=np.full(6, -0.0)),
                 labels={"fsed": "fsed", "feh": "z"}, rows={"teff": 900})  # fmt: skip
    assert list(grid.nodes()) == [(1, 0), (2, 0), (10, 0)]
    assert "-" not in str(grid.nodes())


def test_two_rows_of_one_node_say_what_tells_them_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "toy.npz", logg=np.full(6, 5.0), clouds=np.array(list("aabbcc")))
    with pytest.raises(GridError, match=r"rows 0 and 2 are the same node \(teff=900\); they differ in clouds"):
        build(path, rows={"co": 1})


@pytest.mark.parametrize(
    ("more", "fields", "words"),
    [
        ({"flux": None}, {}, r"has no array 'flux'; it has teff"),
        ({"flux": np.zeros((6, 7))}, {}, r"'flux' has 7 columns, 'wave_um' 50"),
        ({"flux": np.zeros(50)}, {}, r"expected numbers in 2 dimensions"),
        ({"wave_um": MICRONS[::-1]}, {}, "not in increasing order"),
        ({}, {"wave_unit": "parsnip"}, "grid.wave_unit"),
        ({}, {"unit": "erg / parsnip"}, "grid.unit"),
        ({}, {"labels": {"teff": "temp"}}, r"grid.labels: .*has no column 'temp' for 'teff'"),
        ({}, {"labels": {"m": "model"}}, "holds no finite numbers"),
        ({}, {"rows": {"temp": 1}}, r"grid.rows: .*has no column 'temp'"),
        ({}, {"rows": {"co": 2}}, r"has no row with co = 2; it has 0.5, 1.0"),
        ({}, {"rows": {"co": "solar"}}, r"column 'co' holds numbers, not 'solar'"),
        ({}, {"rows": {"co": 0.5, "logg": 4.5}}, r"no row with all of"),
        ({}, {"rows": {"teff": 900, "logg": 5, "co": 1}}, "no column of numbers varies"),
        ({}, {"select": {"mass": 1}}, r"grid.mass: toy.npz has no such label; it has teff, logg, co"),
        ({}, {"select": {"teff": 950}}, r"grid.teff: teff has no node 950; it has 900, 1000"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, more: dict, fields: dict, words: str) -> None:
    with pytest.raises(GridError, match=words) as error:
        build(write(tmp_path / "toy.npz", **more), **fields)
    assert "\n" not in str(error.value)


def test_fluxes_that_are_not_finite_are_refused_where_they_are(tmp_path: Path) -> None:
    flux = np.ones((6, 50))
    flux[2, 7] = np.nan
    grid = build(write(tmp_path / "toy.npz", flux=flux))
    grid.load(NODES[1])
    with pytest.raises(GridError, match=r"toy.npz, row 2: 'flux' has values that are not finite"):
        grid.load(NODES[2])


def _member(array: np.ndarray, old: bytes = b"", new: bytes = b"") -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue().replace(old, new, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_member(np.array([{}], dtype=object)), "object where numbers or text are expected"),
        (_member(np.zeros(10), b"(10,), }  ", b"(10000000)"), "damaged|bytes"),
        (_member(np.zeros(9), b"(9,), }" + b" " * 9, b"(99999999999,),}"), "its header tells of"),
        (b"\x93NUMPY\x09\x00", "version"),
        (b"nonsense", "damaged"),
        (b"", "damaged"),
    ],
)
def test_arrays_from_strangers(tmp_path: Path, data: bytes, words: str) -> None:
    path = write(tmp_path / "toy.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.npy", data)
    with pytest.raises(GridError, match=f"toy.npz: array 'more.npy' .*({words})"):
        build(path)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK nothing")
    with pytest.raises(GridError, match=r"x.npz: is no .npz file"):
        build(tmp_path / "x.npz")
    with pytest.raises(GridError, match="no such file"):
        build(tmp_path / "y.npz")


def test_air(tmp_path: Path) -> None:
    spectrum = build(write(tmp_path / "toy.npz"), medium="air").load(NODES[0])
    np.testing.assert_allclose(vacuum_to_air(spectrum.wavelength), MICRONS * 1e4)
    assert spectrum.frame.medium == "air"


def test_the_fingerprint_changes_with_content_and_with_what_it_is_taken_for(tmp_path: Path) -> None:
    path = write(tmp_path / "toy.npz")
    one = build(path).fingerprint()
    assert build(path).fingerprint() == one
    others = [build(path, **fields).fingerprint() for fields in (
        {"unit": "Jy"}, {"medium": "air"}, {"select": {"teff": 900}}, {"labels": {"teff": "teff"}, "rows": {"co": 0.5}},
        {"wavelength": [9000, 10_000]},
    )]  # fmt: skip
    write(path, z=np.ones(6))
    others.append(build(path).fingerprint())
    assert len({one, *others}) == 7


# --- the real tables: low resolution, ragged in carbon, cloudy or not (data/README.md)

REAL = {
    "sonora21_NIR": ({"labels": {"teff": "teff", "logg": "logg", "feh": "z", "co": "co"}}, 345, (23, 5, 3, 3)),
    "dback24_NIR": ({"labels": {"teff": "teff", "logg": "logg", "feh": "z", "fsed": "fsed"}}, 864, (16, 3, 3, 6)),
    "lacy23_JWST-NIRSPEC-PRISM": (
        {"labels": {"teff": "teff", "logg": "logg", "feh": "z"}, "rows": {"cld": "NC", "kzz": 0}}, 135, (9, 5, 3)
    ),
}  # fmt: skip
SIGMA = 5.670374419e-5  # Stefan-Boltzmann, cgs


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_tables(real_data: Path, name: str) -> None:
    fields, count, shape = REAL[name]
    grid = build(real_data / "grids" / f"{name}.npz", unit="erg / (s cm2 um)", **fields)
    assert len(grid.nodes()) == count
    assert grid.space.shape == shape
    for node in (grid.nodes()[0], grid.nodes()[-1]):
        spectrum = grid.load(node)
        # the unit is right: a band of a brown dwarf has a good part of its light, and not more than all
        part = np.trapezoid(spectrum.flux, spectrum.wavelength / 1e4) / (SIGMA * node[0] ** 4)
        assert 0.2 < part < 1


@pytest.mark.real
def test_the_whole_clouds_column_is_not_one_grid(real_data: Path) -> None:
    path = real_data / "grids" / "lacy23_JWST-NIRSPEC-PRISM.npz"
    with pytest.raises(GridError, match=r"are the same node .*they differ in .*cld"):
        build(path, labels={"teff": "teff", "logg": "logg", "feh": "z", "kzz": "kzz"})


@pytest.mark.real
def test_ten_is_where_the_cloudless_models_of_a_cloudy_table_stand(real_data: Path) -> None:
    """Nearest to the cloudless models of the same family, at every temperature."""
    clear = build(real_data / "grids" / "sonora21_NIR.npz", rows={"co": 1, "logg": 5, "z": 0})
    cloudy = build(real_data / "grids" / "dback24_NIR.npz", rows={"logg": 5, "z": 0})
    for teff in (1000.0, 1500.0, 2000.0):
        truth = np.log(clear.load((teff,)).flux)
        away = {f: np.std(np.log(cloudy.load((f, teff)).flux) - truth) for f in cloudy.space["fsed"].nodes}
        assert min(away, key=away.__getitem__) == 10


LEFT_OUT = {  # node, band: where the published models are smooth in their labels
    "sonora21_NIR": ((1300, 5, 0, 1), [10_000, 24_000], {"teff": [1100, 1500]}),
    "dback24_NIR": ((1500, 5, 0, 3), [10_000, 24_000], {"teff": [1300, 1700], "fsed": [1, 8]}),
    "lacy23_JWST-NIRSPEC-PRISM": ((450, 4.5, 0), [30_000, 55_000], {}),
}


def less(real_data: Path, folder: Path, name: str) -> tuple[GridSource, tuple[float, ...], RunConfig]:
    """The table, a node of it, and the config of a generator that is made without that node."""
    node, band, select = LEFT_OUT[name]
    fields = {**REAL[name][0], "wavelength": band, "select": select}
    whole = build(real_data / "grids" / f"{name}.npz", **fields)
    arrays = dict(np.load(real_data / "grids" / f"{name}.npz"))
    columns = {fields["labels"][label]: value for label, value in zip(whole.space.names, node, strict=True)}
    gone = np.all([arrays[c].astype(float) == v for c, v in columns.items()], 0)
    for column, value in fields.get("rows", {}).items():
        gone &= arrays[column] == value
    assert gone.sum() == 1
    np.savez(folder / "less.npz", **{n: a if n == "wave_um" else a[~gone] for n, a in arrays.items()})
    grid = {"name": "table_npz", "path": str(folder / "less.npz"), **fields}
    return whole, node, parse_config({
        "grid": grid, "generator": {"lines": False}, "interpolator": "scattered", "runtime": {"workers": 1},
        "optimizer": {"name": "lm", "n_initial": 200, "n_starts": 6}, "spectrum": {"path": str(folder / "star.txt")},
    })  # fmt: skip


@pytest.mark.real
@pytest.mark.parametrize("name", LEFT_OUT)
def test_the_spectrum_of_a_node_left_out_is_recovered(real_data: Path, tmp_path: Path, name: str) -> None:
    """By a generator without lines, far better than by the node that is most like it."""
    whole, node, config = less(real_data, tmp_path, name)
    truth = _normal(whole.load(node).flux)
    found = make(config).spectrum(whole.space.to_dict(node)).flux
    others = [_normal(whole.load(other).flux) for other in whole.nodes() if other != node]
    nearest = min(np.sqrt(np.mean((other - truth) ** 2)) for other in others)
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.4 * nearest


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("name", LEFT_OUT)
def test_the_labels_of_a_node_left_out_are_recovered(real_data: Path, tmp_path: Path, name: str) -> None:
    """Without a search box, within three of their own errors, which are no more than a step of the grid."""
    whole, node, config = less(real_data, tmp_path, name)
    star = whole.load(node)
    error = 5e-3 * star.flux + 5e-4 * star.flux.max()
    np.savetxt(tmp_path / "star.txt", np.column_stack([star.wavelength, star.flux, error]))
    result = run(config, output=tmp_path / "out")
    for label, truth in whole.space.to_dict(node).items():
        found, step = result[label], np.diff(whole.space[label].nodes).min()
        assert found.value is not None and found.error is not None and 0 < found.error < step, label
        assert abs(found.value - truth) < 3 * found.error, label


def _normal(flux: np.ndarray) -> np.ndarray:
    return flux / np.percentile(flux, 99)


# --- hml's conformance checks


class TableChecks(GridChecks):
    name = "table_npz"
    skips: ClassVar = {"test_wavelengths_are_vacuum": "pixels are too coarse to tell air from vacuum"}
    others: ClassVar = ({"unit": "Jy"}, {"medium": "air"})

    @classmethod
    def alter(cls, content: bytes) -> bytes:
        """Other fluxes: a changed byte alone would not fit the archive's checksum."""
        arrays = dict(np.load(io.BytesIO(content)))
        out = io.BytesIO()
        np.savez(out, **(arrays | {"flux": 1.01 * arrays["flux"]}))
        return out.getvalue()


class TestTable(TableChecks):
    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        return {"path": write(folder / "toy.npz")}


@pytest.mark.real
@pytest.mark.skipif("HML_REAL_DATA" not in os.environ, reason="HML_REAL_DATA is not set")
class RealChecks(TableChecks):
    """Of the rows that make up a grid with few gaps; it is copied, cut and altered, never written to."""

    file: ClassVar[str]
    rows: ClassVar[Mapping[str, Any]] = {}
    labels: ClassVar[Mapping[str, str]]

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        path = Path(os.environ["HML_REAL_DATA"]) / "grids" / cls.file
        return {"path": path, "labels": cls.labels, "rows": cls.rows, "unit": "erg / (s cm2 um)"}


class TestRealBobcat(RealChecks):
    file, labels, rows = "sonora21_NIR.npz", {"teff": "teff", "logg": "logg", "feh": "z"}, {"co": 1}


class TestRealDiamondback(RealChecks):
    file, labels = "dback24_NIR.npz", {"teff": "teff", "logg": "logg", "feh": "z", "fsed": "fsed"}


class TestRealCoolTlusty(RealChecks):
    file, labels = "lacy23_JWST-NIRSPEC-PRISM.npz", {"teff": "teff", "logg": "logg", "feh": "z"}
    rows: ClassVar = {"cld": "NC", "kzz": 0}
