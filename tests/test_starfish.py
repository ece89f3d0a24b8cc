"""The HDF5 libraries of Starfish: both layouts, several orders, and files that are not what they claim."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from hml import BuildContext, GridError, GridSource, installed, vacuum_to_air

h5py = pytest.importorskip("h5py")

NODES = list(product([3000.0, 3100.0, 3200.0], [4.0, 4.5], [-0.5, 0.0]))


def flux_of(wave: np.ndarray, node: tuple[float, ...]) -> np.ndarray:
    return node[0] / 3000 + 0.1 * node[1] * np.sin(wave / 3) + node[2]


def write(path: Path, wave: np.ndarray, nodes=NODES, *, modern=False, air=False, change: Callable = lambda file: None):
    """A library as Starfish writes it (float32 spectra, gzip)."""
    key = "lte{0:05.0f}-{1:.2f}{2:+.1f}" if modern else "t{0:.0f}g{1:.1f}z{2:.1f}"
    with h5py.File(path, "w") as file:
        file.attrs["grid_name"] = "PHOENIX"
        file.create_dataset("wl", data=vacuum_to_air(wave) if air else wave)
        file["wl"].attrs.update({"air": air, "dv": 1.0})
        for node in nodes:
            flux = flux_of(wave, node).astype("f4")
            data = file.create_dataset("flux/" + key.format(*node), data=flux, compression=9)
            data.attrs["norm"] = not modern
        table = file.create_dataset("grid_points" if modern else "pars", data=np.array(nodes))
        if modern:
            table.attrs["names"] = ["T", "logg", "Z"]
            file["flux"].attrs.update({"key_name": key, "units": "erg/cm^2/s/cm"})
            file["wl"].attrs["units"] = "Angstrom"
        change(file)
    return path


def build(path: Path, **fields) -> GridSource:
    component = installed().get("grids", "starfish_hdf5")
    return component.build(component.config.model_validate({"path": path, **fields}), BuildContext())


WAVE = np.linspace(16_000.0, 16_100.0, 400)


@pytest.mark.parametrize("modern", [False, True], ids=["pars", "grid_points"])
def test_both_layouts(tmp_path: Path, modern: bool) -> None:
    grid = build(write(tmp_path / "m110.hdf5", WAVE, modern=modern))
    assert grid.space.names == ("teff", "logg", "feh")
    assert list(grid.nodes()) == NODES
    assert grid.resolving_power is None
    spectrum = grid.load((3100.0, 4.5, -0.5))
    np.testing.assert_array_equal(spectrum.wavelength, WAVE)
    np.testing.assert_array_equal(spectrum.flux, flux_of(WAVE, (3100.0, 4.5, -0.5)).astype("f4"))
    assert spectrum.unit == ("erg/cm^2/s/cm" if modern else "")
    assert spectrum.frame.medium == "vacuum"
    assert "m110.hdf5 teff=3100 logg=4.5 feh=-0.5" in spectrum.name


def test_it_pairs_with_interpolators_for_complete_grids() -> None:
    """Whether a library has holes is known once it is open; the component itself does not forbid it."""
    assert installed().get("grids", "starfish_hdf5").traits["ragged"] is False


def test_default_preprocessing_needs_no_labels(tmp_path: Path) -> None:
    component = installed().get("grids", "starfish_hdf5")
    steps = component.config(path=tmp_path).preprocess
    from hml import parse_config

    run = parse_config({"grid": {"name": "starfish_hdf5", "path": str(tmp_path)}})
    assert [step.name for step in run.grid.config.preprocess] == ["continuum"]
    assert [getattr(step, "name", step) for step in steps] == ["continuum"]


def test_air_becomes_vacuum(tmp_path: Path) -> None:
    spectrum = build(write(tmp_path / "air.hdf5", WAVE, air=True)).load(NODES[0])
    np.testing.assert_allclose(spectrum.wavelength, WAVE, atol=1e-8, rtol=0)
    assert spectrum.frame.medium == "air"
    as_told = build(tmp_path / "air.hdf5", medium="vacuum").load(NODES[0])
    np.testing.assert_array_equal(as_told.wavelength, vacuum_to_air(WAVE))


def test_orders_come_sorted_with_overlaps_shared(tmp_path: Path) -> None:
    write(tmp_path / "m1_red.hdf5", np.arange(16_080.0, 16_180.0, 0.5))
    write(tmp_path / "m2_blue.hdf5", np.arange(16_000.0, 16_100.0, 0.5))
    write(tmp_path / "m0_far.hdf5", np.arange(16_300.0, 16_400.0, 0.5))
    spectrum = build(tmp_path).load(NODES[3])
    pieces = [spectrum.wavelength[s] for s in spectrum.order_slices()]
    assert [(p[0], p[-1]) for p in pieces] == [(16_000.0, 16_089.5), (16_090.0, 16_179.5), (16_300.0, 16_399.5)]
    np.testing.assert_array_equal(spectrum.flux, flux_of(spectrum.wavelength, NODES[3]).astype("f4"))


def test_band_cuts_and_drops_orders(tmp_path: Path) -> None:
    write(tmp_path / "a.hdf5", np.arange(16_000.0, 16_100.0))
    write(tmp_path / "b.hdf5", np.arange(16_200.0, 16_300.0))
    both = build(tmp_path, wavelength=[16_050, 16_210]).load(NODES[0])
    assert (both.starts, both.band, len(both)) == ((0, 50), (16_050.0, 16_210.0), 61)
    assert build(tmp_path, wavelength=[16_150, 16_210]).load(NODES[0]).band == (16_200.0, 16_210.0)
    with pytest.raises(GridError, match=r"grid.wavelength: .* no pixel from 100 to 200 Å; it covers 16000.0–16299.0 Å"):
        build(tmp_path, wavelength=[100, 200])


def test_order_inside_another_is_named(tmp_path: Path) -> None:
    write(tmp_path / "wide.hdf5", np.arange(16_000.0, 16_100.0))
    write(tmp_path / "within.hdf5", np.arange(16_010.0, 16_020.0))
    with pytest.raises(GridError, match=r"within.hdf5: lies wholly within another order.*grid.orders"):
        build(tmp_path)
    assert len(build(tmp_path, orders=["wide"]).load(NODES[0])) == 100


def test_orders_are_named_by_their_end(tmp_path: Path) -> None:
    write(tmp_path / "IGRINS_m110.hdf5", WAVE)
    write(tmp_path / "IGRINS_m112.hdf5", WAVE + 200)
    assert build(tmp_path, orders=["m112"]).load(NODES[0]).band[0] == pytest.approx(16_200.0)
    with pytest.raises(GridError, match=r"grid.orders: no file .* ends in 'm111'; there are IGRINS_m110, IGRINS_m112"):
        build(tmp_path, orders=["m111"])
    with pytest.raises(GridError, match=r"grid.orders: more than one file"):
        build(tmp_path, orders=["IGRINS_m110", ""])


def test_selection_of_nodes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", WAVE)
    grid = build(path, teff=[3050, 3200], logg=4.5, feh={"nodes": [0.0]})
    assert list(grid.nodes()) == [(3100.0, 4.5, 0.0), (3200.0, 4.5, 0.0)]
    with pytest.raises(GridError, match=r"grid.teff: teff has no node 3050; it has 3000, 3100, 3200"):
        build(path, teff=3050)
    with pytest.raises(GridError, match=r"grid.alpha: .* has no such label; it has teff, logg, feh"):
        build(path, alpha=0.0)
    with pytest.raises(GridError, match="there is no node teff=9 logg=1 feh=0"):
        grid.load((9.0, 1.0, 0.0))


def test_nodes_that_one_order_lacks_are_holes(tmp_path: Path) -> None:
    write(tmp_path / "a.hdf5", WAVE)
    write(tmp_path / "b.hdf5", WAVE + 200, [n for n in NODES if n != (3100.0, 4.0, 0.0)])
    grid = build(tmp_path)
    assert len(grid.nodes()) == len(NODES) - 1
    assert grid.holes() == [(3100.0, 4.0, 0.0)]


def test_a_listed_node_without_spectrum_is_a_hole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", WAVE, change=lambda file: file["flux"].pop("t3200g4.0z0.0"))
    assert build(path).holes() == [(3200.0, 4.0, 0.0)]


def test_fingerprint_tells_content_and_selection(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", WAVE)
    whole = build(path).fingerprint()
    assert build(path).fingerprint() == whole
    others = [build(path, teff=3000), build(path, wavelength=[16_000, 16_050]), build(path, medium="air")]
    assert len({whole, *(g.fingerprint() for g in others)}) == 4
    with h5py.File(path, "r+") as file:
        file["flux/t3000g4.0z0.0"][5] += 0.01
    assert build(path).fingerprint() != whole


def test_threads_read_what_one_reads(tmp_path: Path) -> None:
    write(tmp_path / "a.hdf5", WAVE)
    write(tmp_path / "b.hdf5", WAVE + 200)
    grid = build(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(grid.load, list(grid.nodes()) * 3))
    for spectrum, node in zip(many, NODES * 3, strict=True):
        np.testing.assert_array_equal(spectrum.flux, grid.load(node).flux)


def test_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "a.hdf5", WAVE)
    assert len(build(Path("~/a.hdf5")).nodes()) == 12


def swap(name: str, **attributes) -> Callable:
    """The dataset `name` replaced."""

    def change(file) -> None:
        old = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, **attributes).attrs.update(old)

    return change


def link(name: str, to) -> Callable:
    def change(file) -> None:
        del file[name]
        file[name] = to

    return change


DAMAGE = {
    "no wl": (lambda f: f.pop("wl"), "has no 'wl'"),
    "no flux": (lambda f: f.pop("flux"), "has no 'flux'"),
    "no pars": (lambda f: f.pop("pars"), "has no 'pars'"),
    "no spectra": (lambda f: [f["flux"].pop(k) for k in list(f["flux"])], "no spectrum is named like.*'nothing'"),
    "wl a group": (lambda f: (f.pop("wl"), f.create_group("wl")), "'wl' is a Group, expected a Dataset"),
    "wl of text": (swap("wl", data=["a", "b"]), "/wl has shape .* expected numbers in 1 dimension"),
    "wl of two dimensions": (swap("wl", data=np.ones((2, 2))), "/wl has shape"),
    "wl huge": (swap("wl", shape=(10**12,), dtype="f8", chunks=(1000,)), "/wl has shape"),
    "wl unsorted": (swap("wl", data=WAVE[::-1]), "wl is not in increasing order"),
    "wl with NaN": (swap("wl", data=np.where(WAVE > 16_050, np.nan, WAVE)), "/wl holds values that are not finite"),
    "wl in kelvin": (lambda f: f["wl"].attrs.update({"units": "K"}), "wl is in 'K', which is no unit of length"),
    "no medium": (lambda f: f["wl"].attrs.pop("air"), "air or vacuum; set grid.medium"),
    "pars of one column": (swap("pars", data=np.ones(12)), "/pars has shape"),
    "soft link": (link("wl", h5py.SoftLink("/pars")), "'wl' is a link to another place"),
    "external link": (link("flux", h5py.ExternalLink("/etc/passwd", "/")), "'flux' is a link to another place"),
    "external storage": (
        swap("wl", shape=(400,), dtype="f8", external=[("elsewhere.bin", 0, 3200)]),
        "keeps its values in another file",
    ),
    "hostile key": (lambda f: f["flux"].attrs.update({"key_name": "{0.__class__}"}), "is not a plain pattern"),
    "endless key": (lambda f: f["flux"].attrs.update({"key_name": "{0:999999999.0f}"}), "is not a plain pattern"),
    "key for more labels": (lambda f: f["flux"].attrs.update({"key_name": "t{4:.0f}"}), "does not fit 3 labels"),
    "other key": (lambda f: f["flux"].attrs.update({"key_name": "x{0:.0f}"}), "set grid.key_name"),
}


@pytest.mark.parametrize(("change", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, change: Callable, message: str) -> None:
    path = write(tmp_path / "bad.hdf5", WAVE, change=change)
    with pytest.raises(GridError, match=rf"bad\.hdf5: .*{message}") as caught:
        build(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [(np.ones(399), "shape"), (np.full(400, np.nan), "not finite"), (np.array([b"a"] * 400), "expected numbers")],
)
def test_a_damaged_spectrum_is_named(tmp_path: Path, data: np.ndarray, message: str) -> None:
    grid = build(write(tmp_path / "bad.hdf5", WAVE, change=swap("flux/t3000g4.0z0.0", data=data)))
    with pytest.raises(GridError, match=rf"bad\.hdf5: /flux/t3000g4\.0z0\.0 .*{message}"):
        grid.load((3000.0, 4.0, 0.0))
    assert len(grid.load((3000.0, 4.0, -0.5))) == 400


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.9])
def test_truncated_file(tmp_path: Path, keep: float) -> None:
    path = write(tmp_path / "cut.hdf5", WAVE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(GridError, match=r"cut\.hdf5: cannot be read as HDF5 .*truncated"):
        build(path)


def test_missing_paths_and_fields(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"nowhere: no such file or folder; set grid\.path"):
        build(tmp_path / "nowhere")
    with pytest.raises(GridError, match=r"holds no \.hdf5"):
        build(tmp_path)
    with pytest.raises(ValidationError, match="path"):
        installed().get("grids", "starfish_hdf5").config()


def test_orders_with_different_labels_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.hdf5", WAVE)
    write(tmp_path / "b.hdf5", WAVE + 200, change=lambda f: f["pars"].attrs.update({"names": ["T", "logg", "fsed"]}))
    with pytest.raises(GridError, match=r"different labels \(a\.hdf5: teff, logg, feh; b\.hdf5: teff, logg, fsed\)"):
        build(tmp_path)


@pytest.mark.real
def test_the_real_grid(real_data: Path) -> None:
    folder = real_data / "phoenix/hband"
    grid = build(folder, orders=["m110", "m112"], resolving_power=45_000)
    assert len(grid.nodes()) == 216
    assert grid.holes() == []
    assert grid.space["teff"].nodes == tuple(np.arange(3000.0, 5301.0, 100.0))
    assert grid.space["logg"].nodes == (3.0, 3.5, 4.0)
    assert grid.space["feh"].nodes == (-0.5, 0.0, 0.5)
    assert grid.resolving_power == 45_000
    spectrum = grid.load((4100.0, 3.5, -0.5))
    assert spectrum.starts == (0, 4096)
    for name, pixels in zip(("m112", "m110"), spectrum.order_slices(), strict=True):
        with h5py.File(folder / f"PHOENIX_IGRINS_{name}.hdf5") as file:
            np.testing.assert_array_equal(spectrum.wavelength[pixels], file["wl"][:])
            np.testing.assert_array_equal(spectrum.flux[pixels], file["flux/t4100g3.5z-0.5"][:])


@pytest.mark.real
def test_all_fourteen_real_orders(real_data: Path) -> None:
    grid = build(real_data / "phoenix/hband")
    spectrum = grid.load(grid.nodes()[-1])
    assert len(spectrum.starts) == 14
    assert len(spectrum) == 13 * 4096 + 2048
    assert (spectrum.band[0], spectrum.band[1]) == pytest.approx((14_424.0, 18_333.0))
