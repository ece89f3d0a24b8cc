"""The four grids from files as their authors describe them, and files that are something else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from sonora_files import HEADERS, MICRONS, flux_of, write_netcdf, write_text

from hml import BuildContext, GridError, GridSource, installed, vacuum_to_air

ELF_OWL = "spectra_logzz_{kzz:.1f}_teff_{teff:.1f}_grav_{g:.1f}_mh_{feh:.1f}_co_{co:.1f}.nc"
GRAVITIES = {10: 3.0, 17: 3.25, 31: 3.5, 56: 3.75, 100: 4.0, 178: 4.25, 316: 4.5, 562: 4.75, 1000: 5.0, 1780: 5.25,
             3160: 5.5, 3162: 5.5}  # fmt: skip


def build(name: str, path: Path, **fields: object) -> GridSource:
    component = installed().get("grids", name)
    fields.setdefault("wavelength", [9_000, 20_000])
    return component.build(component.config.model_validate({"path": path, **fields}), BuildContext())


def bobcat(folder: Path, *names: str) -> Path:
    for name in names:
        write_text(folder / name, "bobcat", flux_of(1000, 5))
    return folder


# --- Bobcat


def test_bobcat_ragged_in_carbon(tmp_path: Path) -> None:
    for teff in (900, 1000):
        for g, logg in ((316, 4.5), (1000, 5.0)):
            write_text(tmp_path / "spectra_m+0.0" / f"sp_t{teff}g{g}nc_m0.0.gz", "bobcat", flux_of(teff, logg))
        write_text(tmp_path / "co" / f"sp_t{teff}g1000nc_m+0.0_co0.5", "bobcat", flux_of(teff, 5, 1))
    write_text(tmp_path / "._sp_t900g316nc_m0.0.gz", "bobcat", flux_of(1, 1))  # what macOS leaves in archives
    (tmp_path / "README").write_text("not a spectrum")
    grid = build("sonora_bobcat", tmp_path)
    assert grid.space.names == ("teff", "logg", "feh", "co")
    assert list(grid.nodes()) == [
        (900, 4.5, 0, 1), (900, 5, 0, 0.5), (900, 5, 0, 1), (1000, 4.5, 0, 1), (1000, 5, 0, 0.5), (1000, 5, 0, 1)
    ]  # fmt: skip
    assert grid.holes() == [(900, 4.5, 0, 0.5), (1000, 4.5, 0, 0.5)]
    spectrum = grid.load((900, 5, 0, 0.5))
    np.testing.assert_allclose(spectrum.wavelength, MICRONS * 1e4, rtol=1e-6)
    np.testing.assert_allclose(spectrum.flux, flux_of(900, 5, 1), rtol=1e-7)
    assert spectrum.unit == "erg / (s cm2 Hz)"
    assert spectrum.frame.medium == "vacuum"
    assert grid.resolving_power is None


def test_the_unit_of_bobcat_is_one_that_a_blackbody_can_be_divided_out_of(tmp_path: Path) -> None:
    grid = build("sonora_bobcat", bobcat(tmp_path, "sp_t1000g1000nc_m0.0"))
    blackbody = installed().get("preprocessors", "blackbody")
    step = blackbody.build(blackbody.config(), BuildContext())
    assert np.isfinite(step(grid.load(grid.nodes()[0]), {"teff": 1000.0}).flux).all()


@pytest.mark.parametrize(("metres", "logg"), GRAVITIES.items())
def test_gravities_in_names(tmp_path: Path, metres: int, logg: float) -> None:
    grid = build("sonora_bobcat", bobcat(tmp_path, f"sp_t1000g{metres}nc_m-0.5"))
    assert list(grid.nodes()) == [(1000, logg, -0.5, 1)]


def test_nodes_are_chosen_by_label(tmp_path: Path) -> None:
    names = [f"sp_t{teff}g{g}nc_m{feh}" for teff in (900, 1000) for g in (316, 1000) for feh in ("-0.5", "+0.5")]
    grid = build("sonora_bobcat", bobcat(tmp_path, *names), teff=[950, 2000], feh=0.5)
    assert list(grid.nodes()) == [(1000, 4.5, 0.5, 1), (1000, 5, 0.5, 1)]
    with pytest.raises(GridError, match=r"grid.feh: feh has no node 0; it has -0.5, 0.5"):
        build("sonora_bobcat", tmp_path, feh=0)


@pytest.mark.parametrize(
    ("name", "words"),
    [("sp_t1000g1000f2_m0.0", "no spectrum of this grid that is"), ("sp_t1000g450nc_m0.0", "450 m/s² is no node")],
)
def test_a_name_that_is_like_them_and_unknown_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(GridError, match=words) as error:
        build("sonora_bobcat", bobcat(tmp_path, name))
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("teff\nAngstrom  Flux (erg/cm^2/s/A)\n1.0 2.0\n1.1 2.0\n", "its header says .*expected microns and erg"),
        ("1.0 2.0\n1.1 2.0\n", "its header says"),
        (HEADERS["bobcat"] + "1.0 2.0\n1.1 2.0 3.0\n", "is damaged"),
        (HEADERS["bobcat"] + "1.0 2.0\n1.1 nan\n", "not finite"),
        (HEADERS["bobcat"] + "1.0 2.0\n1.2 2.0\n1.1 2.0\n", "not in order"),
        (HEADERS["bobcat"] + "1.0 2.0 3.0\n" * 20, "no two columns"),
        ("\xff\xfe", "is no text"),
    ],
)
def test_a_file_that_is_something_else_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "sp_t1000g1000nc_m0.0").write_bytes(text.encode("latin-1"))
    grid = build("sonora_bobcat", tmp_path)
    with pytest.raises(GridError, match=words) as error:
        grid.load(grid.nodes()[0])
    assert "sp_t1000g1000nc_m0.0" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_packed_file_that_is_cut_off(tmp_path: Path) -> None:
    whole = write_text(tmp_path / "sp_t1000g1000nc_m0.0.gz", "bobcat", flux_of(1000, 5))
    whole.write_bytes(whole.read_bytes()[:2000])
    grid = build("sonora_bobcat", tmp_path)
    with pytest.raises(GridError, match=r"nc_m0.0.gz: cannot be read"):
        grid.load(grid.nodes()[0])


# --- Cholla


def test_cholla_shares_wavelengths_by_interpolation(tmp_path: Path) -> None:
    write_text(tmp_path / "900K_1000g_logkzz2.spec", "cholla", flux_of(900, 5))
    finer = np.linspace(0.9, 1.5, 4001)
    write_text(tmp_path / "950K_1000g_logkzz7.spec", "cholla", flux_of(950, 5, microns=finer), finer)
    grid = build("sonora_cholla", tmp_path, wavelength=[11_000, 13_000])
    assert grid.space.names == ("teff", "logg", "logkzz")
    first, second = (grid.load(node) for node in grid.nodes())
    np.testing.assert_array_equal(first.wavelength, second.wavelength)
    truth = flux_of(950, 5, microns=first.wavelength / 1e4)
    np.testing.assert_allclose(second.flux, truth, rtol=2e-3)
    assert second.meta["resampled"]
    assert "resampled" not in first.meta
    assert first.unit == "W / m3"


def test_cholla_says_which_file_covers_too_little(tmp_path: Path) -> None:
    write_text(tmp_path / "900K_1000g_logkzz2.spec", "cholla", flux_of(900, 5))
    write_text(tmp_path / "950K_1000g_logkzz2.spec", "cholla", flux_of(950, 5)[400:], MICRONS[400:])
    grid = build("sonora_cholla", tmp_path)
    with pytest.raises(GridError, match=r"950K_1000g_logkzz2.spec: has 401 wavelengths.*select nodes or a band"):
        grid.load((950, 5, 2))


# --- Diamondback


@pytest.fixture
def diamondback(tmp_path: Path) -> Path:
    """The published archive in small: a zip, with what macOS adds to it."""
    with zipfile.ZipFile(tmp_path / "spectra.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for teff in (1000, 1100):
            for number, cloud in enumerate(("f1", "f8", "nc")):
                file = write_text(tmp_path / "one", "diamondback", flux_of(teff, 4.5, number))
                archive.write(file, f"spectra/t{teff}g316{cloud}_m+0.5_co1.0.spec")
        archive.writestr("__MACOSX/spectra/._t1000g316f1_m+0.5_co1.0.spec", b"\0")
    return tmp_path / "spectra.zip"


def test_diamondback_from_its_archive(diamondback: Path) -> None:
    grid = build("sonora_diamondback", diamondback)
    assert grid.space.names == ("teff", "logg", "feh", "fsed")
    assert list(grid.nodes()) == [(t, 4.5, 0.5, f) for t in (1000, 1100) for f in (1, 8)]
    np.testing.assert_allclose(grid.load((1100, 4.5, 0.5, 8)).flux, flux_of(1100, 4.5, 1), rtol=1e-7)


def test_the_cloudless_models_have_a_place_only_if_told(diamondback: Path) -> None:
    grid = build("sonora_diamondback", diamondback, clear=10)
    assert grid.space["fsed"].nodes == (1, 8, 10)
    np.testing.assert_allclose(grid.load((1000, 4.5, 0.5, 10)).flux, flux_of(1000, 4.5, 2), rtol=1e-7)


def test_an_archive_that_is_damaged(diamondback: Path) -> None:
    data = bytearray(diamondback.read_bytes())
    data[200:400] = bytes(200)
    diamondback.write_bytes(data)
    grid = build("sonora_diamondback", diamondback)
    with pytest.raises(GridError, match=r"spectra.zip, 'spectra/t1000g316f1_m\+0.5_co1.0.spec'.*cannot be read"):
        grid.load(grid.nodes()[0])


# --- Elf Owl


def elf_owl(folder: Path, **more: object) -> Path:
    for teff in (575.0, 600.0):
        for kzz in (2.0, 9.0):
            name = ELF_OWL.format(kzz=kzz, teff=teff, g=178, feh=0.7, co=2.5)
            write_netcdf(folder / "output_575.0_650" / name, flux_of(teff, 4.25, kzz), **more)
    return folder


@pytest.mark.parametrize("units", [True, False], ids=["units", "no units"])
def test_elf_owl(tmp_path: Path, units: bool) -> None:
    grid = build("sonora_elf_owl", elf_owl(tmp_path, units=units))
    assert grid.space.names == ("teff", "logg", "feh", "co", "logkzz")
    assert list(grid.nodes()) == [(t, 4.25, 0.7, 2.5, k) for t in (575, 600) for k in (2, 9)]
    spectrum = grid.load((600, 4.25, 0.7, 2.5, 9))
    np.testing.assert_allclose(spectrum.flux, flux_of(600, 4.25, 9), rtol=1e-12)
    assert spectrum.unit == "erg / (s cm3)"


def test_elf_owl_as_netcdf_4(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / ELF_OWL.format(kzz=2, teff=600, g=178, feh=0, co=1)
    with h5py.File(path, "w") as file:
        file["wavelength"], file["flux"] = MICRONS, flux_of(600, 4.25)
        file["flux"].attrs["units"] = "erg/cm**2/s/cm"
    grid = build("sonora_elf_owl", tmp_path)
    np.testing.assert_allclose(grid.load(grid.nodes()[0]).flux, flux_of(600, 4.25))
    with h5py.File(path, "a") as file:
        file["flux"].attrs["units"] = "Jy"
    with pytest.raises(GridError, match=r"flux is in 'Jy', expected erg"):
        grid.load(grid.nodes()[0])


@pytest.mark.parametrize("at", [0, 4, 9, 60, 120])
def test_a_damaged_netcdf_file_is_refused_by_name(tmp_path: Path, at: int) -> None:
    elf_owl(tmp_path)
    grid = build("sonora_elf_owl", tmp_path)
    for path in tmp_path.rglob("*teff_575.0*.nc"):
        data = bytearray(path.read_bytes())
        data[at : at + 8] = b"\x7f" * 8
        path.write_bytes(data[: len(data) // 2])
    with pytest.raises(GridError, match=r"spectra_logzz_2.0_teff_575.0.*(damaged|no netCDF|no variable|shape)"):
        grid.load(grid.nodes()[0])


# --- all


def test_wavelengths_in_air_are_converted_at_the_door(tmp_path: Path) -> None:
    path = bobcat(tmp_path, "sp_t1000g1000nc_m0.0")
    spectrum = build("sonora_bobcat", path, medium="air").load((1000, 5, 0, 1))
    np.testing.assert_allclose(vacuum_to_air(spectrum.wavelength), MICRONS * 1e4, rtol=1e-6)
    assert spectrum.frame.medium == "air"


def test_the_fingerprint_tells_content_and_selection(tmp_path: Path) -> None:
    path = bobcat(tmp_path, "sp_t1000g1000nc_m0.0", "sp_t900g1000nc_m0.0")
    one, again = build("sonora_bobcat", path).fingerprint(), build("sonora_bobcat", path).fingerprint()
    assert one == again
    assert build("sonora_bobcat", path, teff=900).fingerprint() != one
    assert build("sonora_bobcat", path, wavelength=[10_000, 12_000]).fingerprint() != one
    write_text(tmp_path / "sp_t900g1000nc_m0.0", "bobcat", flux_of(900, 5, 3) * 10)
    assert build("sonora_bobcat", path).fingerprint() != one


@pytest.mark.parametrize("name", ["sonora_bobcat", "sonora_cholla", "sonora_diamondback", "sonora_elf_owl"])
def test_a_folder_without_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(GridError, match="holds no file named like"):
        build(name, tmp_path)
    with pytest.raises(GridError, match=r"nowhere: no such file or folder"):
        build(name, tmp_path / "nowhere")


def test_a_band_beyond_them(tmp_path: Path) -> None:
    grid = build("sonora_bobcat", bobcat(tmp_path, "sp_t1000g1000nc_m0.0"), wavelength=[30_000, 40_000])
    with pytest.raises(GridError, match=r"nc_m0.0: has nothing in grid.wavelength.*covers 10000.0–14000.0"):
        grid.load(grid.nodes()[0])
