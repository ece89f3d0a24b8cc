"""Observed spectra from files: units, media, orders, and files that cannot be used."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hml import BuildContext, Reader, Spectrum, SpectrumError, installed, vacuum_to_air

WAVE = np.linspace(8500.0, 8510.0, 21)
FLUX = np.linspace(0.5, 1.5, 21)
ERROR = np.full(21, 0.01)


def make(name: str, **fields) -> Reader:
    component = installed().get("readers", name)
    return component.build(component.config(**fields), BuildContext())


def write(path: Path, heading: str = "wavelength,flux,error", columns=(WAVE, FLUX, ERROR), sep=",") -> Path:
    rows = "\n".join(sep.join(repr(float(v)) for v in row) for row in zip(*columns, strict=True))
    path.write_text((heading + "\n" if heading else "") + rows + "\n")
    return path


def only(spectra: list[Spectrum]) -> Spectrum:
    assert len(spectra) == 1
    return spectra[0]


# --- text


@pytest.mark.parametrize(
    ("heading", "sep"),
    [
        ("wavelength,flux,error", ","), ("Wave_vac [A],Flux,Flux_err", ","), ("wl;spec;sigma", ";"),
        ("lambda\tflam\tunc", "\t"), ("wave flux e_flux", " "), ("# wave flux err", " "), ("", ","), ("", "   "),
        ("# made by hand", " "), ("id,ra,WAVELENGTH_AA,wavelength_error,flux,flux_error", ","),
    ],
)
def test_columns_are_recognised(tmp_path: Path, heading: str, sep: str) -> None:
    columns = (WAVE, FLUX, ERROR) if not heading.startswith("id") else (ERROR, ERROR, WAVE, ERROR * 2, FLUX, ERROR)
    path = write(tmp_path / "star.csv", heading, columns, sep)
    reader = make("csv")
    assert reader.sniff(path)
    spectrum = only(reader.read(path))
    np.testing.assert_array_equal(spectrum.wavelength, WAVE)
    np.testing.assert_array_equal(spectrum.flux, FLUX)
    np.testing.assert_array_equal(spectrum.error, ERROR)
    assert (spectrum.name, spectrum.unit) == ("star.csv", "")
    assert (spectrum.frame.medium, spectrum.frame.rest) == ("vacuum", "observed")


def test_error_is_optional(tmp_path: Path) -> None:
    assert only(make("csv").read(write(tmp_path / "a.csv", "wavelength,flux", (WAVE, FLUX)))).error is None


def test_columns_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x,y,z,flux", (WAVE, FLUX, ERROR, FLUX * 9))
    spectrum = only(make("csv", wavelength="x", flux="y", error="z").read(path))
    np.testing.assert_array_equal(spectrum.flux, FLUX)
    np.testing.assert_array_equal(spectrum.error, ERROR)
    with pytest.raises(SpectrumError, match=r"a\.csv: no column 'q' \(spectrum\.reader\.flux\); it has x, y, z, flux"):
        make("csv", wavelength="x", flux="q").read(path)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(unit=st.sampled_from(["AA", "nm", "um", "m", "THz", "1/cm", "eV"]), medium=st.sampled_from(["vacuum", "air"]),
       told=st.sampled_from(["config", "file"]))
def test_any_unit_and_medium_become_vacuum_angstrom(tmp_path: Path, unit: str, medium: str, told: str) -> None:
    stated = vacuum_to_air(WAVE) if medium == "air" else WAVE
    values = (stated * u.AA).to(u.Unit(unit), u.spectral())
    turn = -1 if values[0] > values[-1] else 1  # a file lists its own quantity upwards
    columns = {"spectral": values[::turn], "flux": FLUX[::turn] * u.Unit("erg / (s cm2 AA)"), "error": ERROR[::turn]}
    fields = {}
    if told == "file":
        path = tmp_path / "a.ecsv"
        QTable(columns, meta={"medium": medium, "frame": "rest"}).write(path, format="ascii.ecsv", overwrite=True)
    else:
        path = write(tmp_path / "a.csv", "spectral,flux,error", [np.asarray(v) for v in columns.values()])
        fields = {"wavelength_unit": unit, "medium": medium, "flux_unit": "erg / (s cm2 AA)", "frame": "rest"}
    spectrum = only(make("csv", **fields).read(path))
    np.testing.assert_allclose(spectrum.wavelength, WAVE, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(spectrum.flux, FLUX)
    assert u.Unit(spectrum.unit) == u.Unit("erg / (s cm2 AA)")
    assert (spectrum.frame.medium, spectrum.frame.rest) == (medium, "rest")


def test_errors_are_brought_to_the_unit_of_the_flux(tmp_path: Path) -> None:
    path = tmp_path / "a.ecsv"
    QTable({"wavelength": WAVE * u.AA, "flux": FLUX * u.Jy, "error": 1e3 * ERROR * u.mJy}).write(path)
    np.testing.assert_allclose(only(make("csv").read(path)).error, ERROR, rtol=1e-12)
    QTable({"wavelength": WAVE * u.AA, "flux": FLUX * u.Jy, "error": ERROR * u.K}).write(path, overwrite=True)
    with pytest.raises(SpectrumError, match=r"a\.ecsv: column 'error' is in 'K', the flux in 'Jy'"):
        make("csv").read(path)


def test_medium_from_the_column_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "wave_air_A,flux,error", (vacuum_to_air(WAVE), FLUX, ERROR))
    spectrum = only(make("csv").read(path))
    np.testing.assert_allclose(spectrum.wavelength, WAVE, atol=1e-7, rtol=0)
    assert spectrum.frame.medium == "air"


def test_orders_are_told_apart_and_sorted(tmp_path: Path) -> None:
    columns = (np.r_[WAVE + 20, WAVE], np.r_[FLUX, -FLUX], np.r_[ERROR, ERROR], np.r_[np.full(21, 7), np.full(21, 8)])
    spectra = make("csv").read(write(tmp_path / "a.csv", "wavelength,flux,error,order", columns))
    assert [s.name for s in spectra] == ["a.csv order 8.0", "a.csv order 7.0"]
    np.testing.assert_array_equal(spectra[0].flux, -FLUX)
    np.testing.assert_array_equal(spectra[1].wavelength, WAVE + 20)


def test_bad_pixels_are_kept_for_the_pipeline_to_judge(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("wavelength,flux,error\n8500,1,0.1\n8501,nan,0\n8502,,-1\n8503,2,0.1\n")
    spectrum = only(make("csv").read(path))
    np.testing.assert_array_equal(spectrum.flux, [1, np.nan, np.nan, 2])
    np.testing.assert_array_equal(spectrum.error, [0.1, 0, -1, 0.1])


BAD = {
    "unsorted": ("wavelength,flux\n8500,1\n8502,1\n8501,1\n",
                 r"wavelength 8501 Å \(row 2\) is not in increasing order"),
    "duplicate": ("wavelength,flux\n8500,1\n8500,1\n", "wavelength 8500 Å .* is repeated"),
    "no flux": ("wavelength,height\n8500,1\n", "no column looks like a flux; it has wavelength, height"),
    "no wavelength": ("a,flux\n8500,1\n", "no column looks like a wavelength; it has a, flux"),
    "one column": ("8500\n8501\n", "no column looks like a flux"),
    "empty file": ("", "holds no table"),
    "comments alone": ("# wave flux\n", "holds no table"),
    "no rows": ("wavelength,flux\n", "the table has no rows"),
    "text": ("wavelength,flux\n8500,bright\n8501,1\n", "column 'flux' must hold numbers, it begins with 'bright'"),
    "ragged": ("wavelength,flux\n8500,1\n8501,1,2,3\n", "is not a table that can be read"),
    "NaN wavelength": ("wavelength,flux\n8500,1\nnan,1\n", "wavelength 1 is not finite"),
    "negative": ("wavelength,flux\n-8500,1\n8500,1\n", "wavelengths of zero or less|no unit and begins at -8500"),
    "nm without a unit": ("wavelength,flux\n850.0,1\n850.1,1\n", "no unit and begins at 850, hardly Å; set"),
    "cut ECSV": ("# %ECSV 1.0\n# ---\n# datatype:\n# - {name: wavelength, unit: AA, da", "is not a table"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_unusable_text_is_named_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(SpectrumError, match=rf"bad\.csv: .*({message})") as caught:
        make("csv").read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"wavelength_unit": "K"}, "'K': that is no wavelength, frequency or wavenumber"),
        ({"wavelength_unit": "parsnip"}, r"'parsnip' is no unit .*set spectrum\.reader\.wavelength_unit"),
        ({"flux_unit": "parsnip"}, r"'parsnip' is no unit that astropy knows; set spectrum\.reader\.flux_unit"),
        ({"wavelength_unit": "0.1 nm", "wavelength": "flux", "flux": "wavelength", "medium": "air"}, "below 2000 Å"),
    ],
)
def test_wrong_units_are_refused(tmp_path: Path, fields: dict, message: str) -> None:
    with pytest.raises(SpectrumError, match=rf"a\.csv: .*{message}"):
        make("csv", **fields).read(write(tmp_path / "a.csv"))


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    binary = tmp_path / "a.csv"
    binary.write_bytes(bytes(range(256)) * 10)
    (tmp_path / "b.fits").write_bytes(b"SIMPLE  =   what")
    (tmp_path / "c.csv").write_text("")
    for name in ("csv", "fits_table", "specutils"):
        for path in (*tmp_path.iterdir(), tmp_path / "missing.csv", tmp_path):
            assert make(name).sniff(path) is False
    with pytest.raises(SpectrumError, match=r"a\.csv: is not text"):
        make("csv").read(binary)
    with pytest.raises(SpectrumError, match=r"missing\.csv: cannot be read"):
        make("csv").read(tmp_path / "missing.csv")


def test_what_hml_writes_it_reads(tmp_path: Path) -> None:
    from hml.core.export import write_spectrum

    spectrum = Spectrum(WAVE, FLUX * 1e14, error=ERROR * 1e14, unit="erg / (s cm2 cm)")
    write_spectrum(spectrum, tmp_path / "out.ecsv")
    back = only(make("csv").read(tmp_path / "out.ecsv"))
    np.testing.assert_array_equal(back.wavelength, spectrum.wavelength)
    np.testing.assert_array_equal(back.flux, spectrum.flux)
    np.testing.assert_array_equal(back.error, spectrum.error)
    assert u.Unit(back.unit) == u.Unit(spectrum.unit)
    assert back.frame == spectrum.frame


# --- FITS


def fits_file(path: Path, header: dict | None = None, **columns) -> Path:
    table = Table(columns)
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros(3)), fits.BinTableHDU(Table({"a": [1]})),
                         fits.BinTableHDU(table, name="SPECTRUM")])
    hdus[0].header.update(header or {})
    hdus.writeto(path)
    return path


def test_fits_table_with_units(tmp_path: Path) -> None:
    path = fits_file(tmp_path / "a.fits", {"AIRORVAC": "air", "SPECSYS": "BARYCENT", "OBJECT": "GJ 699"},
                     WAVE=vacuum_to_air(WAVE) / 10 * u.nm, FLUX=FLUX.astype(">f4") * u.Jy, ERR=ERROR * u.Jy)
    reader = make("fits_table")
    assert reader.sniff(path)
    spectrum = only(reader.read(path))
    np.testing.assert_allclose(spectrum.wavelength, WAVE, atol=1e-7, rtol=0)
    np.testing.assert_array_equal(spectrum.flux, FLUX.astype("f4"))
    np.testing.assert_array_equal(spectrum.error, ERROR)
    assert (spectrum.unit, spectrum.frame.medium, spectrum.frame.rest) == ("Jy", "air", "barycentric")
    assert spectrum.meta["OBJECT"] == "GJ 699"


def test_fits_rows_of_whole_orders(tmp_path: Path) -> None:
    path = fits_file(tmp_path / "a.fits", WAVE=np.stack([WAVE + 20, WAVE]), FLUX=np.stack([FLUX, -FLUX]))
    spectra = make("fits_table").read(path)
    assert [s.name for s in spectra] == ["a.fits order 1", "a.fits order 0"]
    np.testing.assert_array_equal(spectra[0].flux, -FLUX)
    one = fits_file(tmp_path / "b.fits", WAVE=WAVE[None], FLUX=FLUX[None])
    assert only(make("fits_table").read(one)).name == "b.fits"


def test_fits_extension_is_chosen(tmp_path: Path) -> None:
    path = fits_file(tmp_path / "a.fits", WAVE=WAVE, FLUX=FLUX)
    assert len(only(make("fits_table", extension="SPECTRUM").read(path))) == 21
    for wrong in (1, 99, "NOWHERE"):
        with pytest.raises(SpectrumError, match=r"a\.fits: .*extension .* is no table; its tables: 2, 3 SPECTRUM"):
            make("fits_table", extension=wrong).read(path)
    with pytest.raises(SpectrumError, match=r"a\.fits: no column looks like a wavelength; it has a"):
        make("fits_table", extension=2).read(path)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.8, 0.99])
def test_truncated_fits_is_refused(tmp_path: Path, keep: float) -> None:
    path = fits_file(tmp_path / "cut.fits", WAVE=np.linspace(8000, 9000, 2000), FLUX=np.ones(2000))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(SpectrumError, match=r"cut\.fits: cannot be read as FITS .*truncated") as caught:
        make("fits_table").read(path)
    assert "\n" not in str(caught.value)


def test_fits_without_a_table(tmp_path: Path) -> None:
    fits.PrimaryHDU(FLUX).writeto(tmp_path / "image.fits")
    assert not make("fits_table").sniff(tmp_path / "image.fits")
    with pytest.raises(SpectrumError, match=r"image\.fits: holds no table"):
        make("fits_table").read(tmp_path / "image.fits")


# --- specutils


def test_specutils_file(tmp_path: Path) -> None:
    specutils = pytest.importorskip("specutils")
    from astropy.nddata import InverseVariance

    path = tmp_path / "a.fits"
    theirs = specutils.Spectrum(spectral_axis=WAVE / 1e4 * u.um, flux=FLUX * u.Jy,
                                uncertainty=InverseVariance(1 / ERROR**2 / u.Jy**2))
    theirs.write(path, format="tabular-fits")
    reader = make("specutils", frame="rest")
    assert reader.sniff(path)
    spectrum = only(reader.read(path))
    np.testing.assert_allclose(spectrum.wavelength, WAVE, rtol=1e-12)
    np.testing.assert_allclose(spectrum.flux, FLUX, rtol=1e-12)
    np.testing.assert_allclose(spectrum.error, ERROR, rtol=1e-6)
    assert (spectrum.unit, spectrum.frame.rest, spectrum.name) == ("Jy", "rest", "a.fits")


def test_specutils_refusal_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("specutils")
    with pytest.raises(SpectrumError, match=r"a\.csv: specutils cannot read it \(") as caught:
        make("specutils").read(write(tmp_path / "a.csv"))
    assert "\n" not in str(caught.value)


def test_without_specutils(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "specutils", None)
    monkeypatch.setitem(sys.modules, "specutils.io.registers", None)
    path = write(tmp_path / "a.csv")
    assert make("specutils").sniff(path) is False
    with pytest.raises(SpectrumError, match=r"pip install 'hml\[specutils\]'"):
        make("specutils").read(path)


# --- real files


@pytest.mark.real
def test_gaia_rvs_spectrum_of_kepler_93(real_data: Path) -> None:
    path = real_data / "observed/rvs/Kepler-93.csv"
    with pytest.raises(SpectrumError, match="begins at 846, hardly Å"):
        make("csv").read(path)
    spectrum = only(make("csv", wavelength_unit="nm", frame="rest").read(path))
    own = fits.getdata(real_data / "observed/rvs/gaia_rvs_wavelength.fits") * 10.0
    np.testing.assert_allclose(spectrum.wavelength, own, atol=1e-6, rtol=0)
    assert 0.5 < np.nanmedian(spectrum.flux) < 1.1
    assert np.nanmedian(spectrum.error) < 0.03


@pytest.mark.real
def test_wasp_69(real_data: Path) -> None:
    path = real_data / "observed/blase/WASP_69_hpf_stack.fits"
    assert make("fits_table").sniff(path)
    spectrum = only(make("fits_table").read(path))
    assert len(spectrum) == 2048
    assert np.isnan(spectrum.flux).sum() == 26
    assert spectrum.band == pytest.approx((8656.1736, 8768.0498), abs=1e-3)
    assert spectrum.error is not None


@pytest.mark.real
def test_column_names_with_units(real_data: Path) -> None:
    spectrum = only(make("csv").read(real_data / "observed/hpf/calibration/telfit_HPFtemplate_temp286_hum050.csv"))
    assert spectrum.band == pytest.approx((8079.036, 12785.831), abs=1e-3)
