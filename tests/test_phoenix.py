"""The PHOENIX grid on files that are here: what it reads, what it refuses, what it says about the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from phoenix_tree import RELEASE, WAVE, WAVES, flux_of, make_tree, relative, write_spectrum
from pydantic import ValidationError

from hml import BuildContext, ConfigError, FetchableGrid, GridError, installed, parse_config
from hml.plugins.phoenix import PhoenixConfig
from hml.plugins.phoenix.files import pixel_range, pixels_in
from hml.plugins.phoenix.fits_file import BLOCK, band_header, locate, parse_header, read_flux, read_header
from hml.plugins.phoenix.names import Labels
from hml.plugins.phoenix.source import PhoenixGrid

NODES = [(teff, logg, feh, 0.0) for teff, logg, feh in product((5700, 5800, 5900), (4.0, 4.5), (-0.5, 0.0))]
SUN = (5800.0, 4.5, 0.0)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("tree"), NODES)


def grid(tmp_path, **fields):
    return PhoenixGrid(PhoenixConfig(preprocess=(), **fields), tmp_path / "cache" / "phoenix")


def small(tree, tmp_path, **fields):
    return grid(tmp_path, **{"path": tree, "teff": [5700, 5900], "logg": [4.0, 4.5], **fields})


# --- reading


def test_it_is_registered_and_built_like_any_grid(tree, tmp_path):
    config = parse_config({"grid": {"name": "phoenix", "path": str(tree), "teff": [5700, 5900]}})
    source = config.grid.build(BuildContext(cache=tmp_path))
    assert isinstance(source, FetchableGrid) and config.grid.trait("fetches")
    assert "Husser" in installed().get("grids", "phoenix").reference
    assert len(source.nodes()) == 12


def test_flux_and_wavelength_are_those_of_the_file(tree, tmp_path):
    spectrum = small(tree, tmp_path, wavelength=[8038, 9000]).load(SUN)
    inside = (WAVES >= 8038) & (WAVES <= 9000)
    np.testing.assert_array_equal(spectrum.wavelength, WAVES[inside])
    np.testing.assert_array_equal(spectrum.flux, flux_of((*SUN, 0.0))[inside].astype(float))
    assert spectrum.flux.dtype == np.float64 and spectrum.flux.dtype.isnative
    assert spectrum.unit == "erg / (s cm3)" and spectrum.frame.medium == "vacuum"
    assert spectrum.name == "PHOENIX 5800/4.50/-0.0"


def test_the_same_numbers_as_astropy_reads(tree, tmp_path):
    data = fits.getdata(tree / RELEASE / relative((*SUN, 0.0)))
    first, stop = np.searchsorted(WAVES, [8038, 12849.0001])
    np.testing.assert_array_equal(small(tree, tmp_path).load(SUN).flux, data[first:stop])


def test_all_nodes_share_one_wavelength_array(tree, tmp_path):
    source = small(tree, tmp_path)
    one, other = (source.load(node) for node in source.nodes()[:2])
    assert np.shares_memory(one.wavelength, other.wavelength)


def test_a_band_beyond_the_files_is_cut_to_them(tree, tmp_path):
    assert small(tree, tmp_path, wavelength=[13000, 20000]).load(SUN).band == (13000.0, WAVES[-1])
    with pytest.raises(GridError, match=r"no wavelengths from 20000 to 21000 Å; the files have 7000"):
        small(tree, tmp_path, wavelength=[20000, 21000]).load(SUN)


@pytest.mark.parametrize("layout", ["release", "bare", "above", "two above"])
def test_usual_layouts_of_a_folder(tree, tmp_path, layout):
    home = tmp_path / "a" / "b"
    if layout == "bare":
        (home / "Z-0.0").parent.mkdir(parents=True)
        (home / "Z-0.0").symlink_to(tree / RELEASE / "Z-0.0")
        (home / WAVE).symlink_to(tree / WAVE)
    else:
        home.mkdir(parents=True)
        (home / RELEASE).symlink_to(tree / RELEASE)
        place = {"release": home, "above": home.parent, "two above": home.parent.parent}[layout]
        (place / WAVE).symlink_to(tree / WAVE)
    np.testing.assert_array_equal(small(home, tmp_path).load(SUN).flux, small(tree, tmp_path).load(SUN).flux)


def test_the_folder_named_may_be_the_release_itself(tree, tmp_path):
    assert small(tree / RELEASE, tmp_path).nodes() == small(tree, tmp_path).nodes()


def test_nothing_is_written_into_a_folder(tree, tmp_path):
    before = sorted(tree.rglob("*"))
    source = small(tree, tmp_path)
    source.load(SUN)
    source.fetch(lambda *args, **kwargs: pytest.fail("nothing is to be fetched for a folder"))
    assert sorted(tree.rglob("*")) == before and not (tmp_path / "cache").exists()


def test_registering_loads_nothing_heavy():
    code = ("import sys, hml.plugins.phoenix; "
            "print([m for m in ('torch', 'httpx', 'astropy', 'scipy', 'numpy') if m in sys.modules])")
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "torch" not in loaded and "httpx" not in loaded and "astropy" not in loaded and "scipy" not in loaded


# --- selection, holes, space


def test_selection_space_and_holes(tree, tmp_path):
    source = small(tree, tmp_path, teff=[5700, 6000], logg={"nodes": [4.5]})
    assert source.space.names == ("teff", "logg", "feh")
    assert source.space["teff"].nodes == (5700, 5800, 5900)
    assert len(source.nodes()) == 6
    assert source.holes() == [(6000.0, 4.5, -0.5), (6000.0, 4.5, 0.0)]
    with pytest.raises(GridError, match=r"6000/4.50/-0.5 is a hole"):
        source.load(source.holes()[0])
    assert source.missing() is None


def test_alpha_is_a_label_when_more_than_one_is_selected(tmp_path):
    nodes = [(5800, 4.5, -0.5, alpha) for alpha in (-0.2, 0.0, 0.4)]
    tree = make_tree(tmp_path / "tree", nodes)
    chosen = {"path": tree, "teff": 5800, "logg": 4.5, "feh": -0.5}
    source = grid(tmp_path, alpha=[-0.2, 0.4], **chosen)
    assert source.space.names == ("teff", "logg", "feh", "alpha")
    assert source.nodes() == [tuple(map(float, node)) for node in nodes]
    assert source.holes() == [(5800.0, 4.5, -0.5, 0.2)]
    fixed = grid(tmp_path, alpha=0.4, **chosen)
    assert fixed.nodes() == [(5800.0, 4.5, -0.5)]
    inside = slice(*pixel_range(WAVES, (8038, 12849)))
    np.testing.assert_array_equal(fixed.load((5800, 4.5, -0.5)).flux, flux_of(nodes[2])[inside])
    assert fixed.load((5800, 4.5, -0.5)).name == "PHOENIX 5800/4.50/-0.5.Alpha=+0.40"


def test_a_folder_may_hold_nodes_off_the_library_axes(tmp_path):
    tree = make_tree(tmp_path / "tree", [(5750, 4.25, 0.0, 0.0)])
    source = grid(tmp_path, path=tree, teff={"nodes": [5750]}, logg={"nodes": [4.25]}, feh=0)
    assert source.nodes() == [(5750.0, 4.25, 0.0)]


def test_an_unselected_node_is_refused(tree, tmp_path):
    with pytest.raises(GridError, match="not among the selected"):
        small(tree, tmp_path, teff=5700).load(SUN)
    with pytest.raises(GridError, match="expected values of teff, logg, feh"):
        small(tree, tmp_path).load((5800.0, 4.5))


def test_the_default_is_the_papers_subset(tmp_path):
    source = grid(tmp_path)
    assert len(source.nodes()) == 1314 and source.space.shape == (73, 9, 2)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("teff", {"nodes": [5850]}, "teff has no node 5850"),
        ("logg", [7, 8], "logg has no node from 7 to 8"),
        ("wavelength", [9000, 8000], "expected .low, high. inside 500 to 55000"),
        ("wavelength", [100, 8000], "inside 500 to 55000"),
        ("base_urls", ["ftp://phoenix"], "not a http or https address"),
        ("conections", 3, "did you mean 'connections'"),
    ],
)
def test_mistakes_in_the_config_are_named(field, value, says):
    with pytest.raises(ConfigError, match=says):
        parse_config({"grid": {"name": "phoenix", field: value}})


def test_a_config_survives_json():
    config = PhoenixConfig(preprocess=(), teff=[5000, 6000], alpha=[-0.2, 0.4], base_urls=["http://localhost:1"])
    assert PhoenixConfig.model_validate(config.model_dump(mode="json")) == config
    with pytest.raises(ValidationError):
        PhoenixConfig(connections=0)


# --- what is missing


def test_without_files_and_network_it_tells_what_it_needs(tmp_path):
    source = grid(tmp_path)
    missing = source.missing()
    assert len(missing.files) == 1315 and missing.files[0] == WAVE
    assert missing.sources[0] == "https://phoenix.astro.physik.uni-goettingen.de/data/HiResFITS/"
    assert missing.bytes == pytest.approx(1.8e9, rel=0.03)  # the band alone
    assert grid(tmp_path, whole_files=True).missing().bytes == pytest.approx(8.3e9, rel=0.03)
    with pytest.raises(GridError, match=r"5800/4.50/-0.0 is not here; .*hml grid fetch.*grid.path.*synthetic"):
        source.load(SUN)
    assert "to fetch" in source.describe() and not (tmp_path / "cache").exists()


def test_a_folder_that_does_not_serve_says_why(tree, tmp_path):
    (tmp_path / "empty").mkdir()
    for path, says in (("nowhere", "is not a folder"), ("empty", "holds no PHOENIX spectra; expected files like")):
        with pytest.raises(GridError, match=says):
            grid(tmp_path, path=tmp_path / path)
    (tmp_path / "deep" / "er" / "est").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "est" / RELEASE).symlink_to(tree / RELEASE)
    with pytest.raises(GridError, match=f"{WAVE} is neither in"):
        grid(tmp_path, path=tmp_path / "deep" / "er" / "est")
    with pytest.raises(GridError, match=r"none of them selected.*it has teff 5700 to 5900"):
        grid(tmp_path, path=tree, teff=4000)


def test_estimated_pixels_are_nearly_right():
    assert pixels_in((8038, 12849)) == pytest.approx(338_651, abs=3)
    assert pixels_in((500, 54999.75)) == pytest.approx(1_569_128, rel=1e-3)


# --- fingerprint, flags


def test_the_fingerprint_follows_selection_and_content(tmp_path):
    tree = make_tree(tmp_path / "tree", NODES)
    first = small(tree, tmp_path).fingerprint()
    assert small(tree, tmp_path).fingerprint() == first
    others = {small(tree, tmp_path, **fields).fingerprint() for fields in
              ({"wavelength": [8038, 9000]}, {"teff": 5800}, {"teff": [5700, 6000]}, {"feh": 0})}
    assert len(others | {first}) == 5
    path = tree / RELEASE / relative((*SUN, 0.0))
    os.utime(path, ns=(1, 1))
    changed = small(tree, tmp_path).fingerprint()
    path.unlink()
    assert len({first, changed, small(tree, tmp_path).fingerprint()}) == 3


def test_flags_of_the_header(tmp_path):
    tree = make_tree(tmp_path / "tree", NODES[:2])
    odd = tuple(map(float, NODES[0]))
    write_spectrum(tree / RELEASE / relative(odd), odd, INTERPOL=True, PHXCONV=False)
    source = small(tree, tmp_path)
    assert source.flags(odd[:3]) == {"interpolated": True, "without_convection": True}
    assert source.flags(NODES[1][:3]) == {"interpolated": False, "without_convection": False}
    assert source.load(odd[:3]).meta == {"INTERPOL": True, "PHXCONV": False}


# --- damaged files


def _damage(path, how):
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[:20_000])
    elif how == "html":
        path.write_bytes(b"<!DOCTYPE html><html>moved</html>".ljust(5000))
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "no END":
        path.write_bytes(data.replace(b"END     ", b"XXX     ", 1).replace(b"END     ", b"XXX     "))
    elif how == "nan":
        at = 2880 + 4 * 4000
        path.write_bytes(data[:at] + b"\x7f\xc0\x00\x00" + data[at + 4 :])
    elif how == "doubles":
        path.write_bytes(data.replace(b"-32 /", b"-64 /", 1))
    elif how == "labels":
        write_spectrum(path, (5900, 4.5, 0.0, 0.0))
    elif how == "pixels":
        write_spectrum(path, (*SUN, 0.0), WAVES[:9000])
    elif how == "unit":
        write_spectrum(path, (*SUN, 0.0), BUNIT="W/m2/nm")
    elif how == "no labels":
        write_spectrum(path, (*SUN, 0.0), PHXTEFF="hot")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("truncated", "is cut off"),
        ("html", "is not FITS, it begins with '<!DOCTYPE"),
        ("empty", "is cut off"),
        ("no END", "no END card"),
        ("nan", "is not finite"),
        ("doubles", "expected BITPIX = -32, found -64"),
        ("labels", "header says PHXTEFF = 5900.0, the name says 5800"),
        ("pixels", "belongs to 9000 wavelengths, the wavelength file has 14000"),
        ("unit", "flux is in 'W/m2/nm'"),
        ("no labels", "header says PHXTEFF = hot"),
    ],
)
def test_a_damaged_file_is_named_with_its_damage(tmp_path, how, says):
    tree = make_tree(tmp_path / "tree", NODES)
    path = tree / RELEASE / relative((*SUN, 0.0))
    _damage(path, how)
    source = small(tree, tmp_path)
    with pytest.raises(GridError, match=says) as caught:
        source.load(SUN)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    source.load((5700, 4.5, 0.0))


def test_a_damaged_wavelength_file_is_named(tmp_path):
    tree = make_tree(tmp_path / "tree", NODES[:1], WAVES[::-1])
    with pytest.raises(GridError, match=f"{WAVE}: wavelengths are not increasing"):
        small(tree, tmp_path).load(NODES[0][:3])
    (tree / WAVE).write_bytes(b"nonsense")
    with pytest.raises(GridError, match=f"{WAVE}: "):
        small(tree, tmp_path).load(NODES[0][:3])


def test_a_file_that_has_gone_is_named(tmp_path):
    tree = make_tree(tmp_path / "tree", NODES)
    source, other = small(tree, tmp_path), small(tree, tmp_path)
    (tree / RELEASE / relative((*SUN, 0.0))).unlink()
    for use in (source.load, source.flags):
        with pytest.raises(GridError, match=r"lte05800-4.50-0.0.*: cannot be read .No such file"):
            use(SUN)
    (tree / WAVE).unlink()
    with pytest.raises(GridError, match=f"{WAVE}: cannot be read"):
        other.load((5700, 4.5, 0.0))


@given(st.binary(max_size=3 * BLOCK) | st.binary(max_size=200).map(lambda tail: (b"SIMPLE  =" + tail).ljust(BLOCK)))
@settings(max_examples=60)
def test_no_header_crashes_the_parser(data):
    try:
        header = parse_header(data, "somewhere")
        locate(header, Labels(5800, 4.5, 0.0), 14_000)
    except GridError as error:
        assert str(error).startswith("somewhere: ")
    else:
        pytest.fail("random bytes passed for a spectrum")


@given(first=st.integers(0, 13_998), count=st.integers(1, 3000))
@settings(max_examples=30, deadline=None)
def test_a_band_file_is_valid_fits_with_the_same_pixels(tree, tmp_path_factory, first, count):
    stop = min(first + count + 1, len(WAVES))
    node = Labels(*SUN)
    source = tree / RELEASE / relative(node)
    with source.open("rb") as file:
        header = read_header(file, "source")
    body = flux_of(node)[first:stop].astype(">f4").tobytes()
    raw = band_header(header, first, stop, len(WAVES)) + body
    path = tmp_path_factory.getbasetemp() / "band.fits"
    path.write_bytes(raw.ljust(-(-len(raw) // BLOCK) * BLOCK, b"\0"))
    with fits.open(path) as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus[0].data, flux_of(node)[first:stop])
        assert hdus[0].header["PHXTEFF"] == 5800 and hdus[0].header["HMLFIRST"] == first
    np.testing.assert_array_equal(read_flux(path, node, first, stop, len(WAVES))[0], flux_of(node)[first:stop])
    with pytest.raises(GridError, match=f"holds pixels {first} to {stop}, wanted {first} to {stop + 1}"):
        read_flux(path, node, first, stop + 1, len(WAVES))


@pytest.mark.real
def test_the_genuine_wavelength_file(real_data, tmp_path):
    from hml.plugins.phoenix.fits_file import Pixels, read_wavelengths

    wave = read_wavelengths(real_data / "phoenix" / WAVE)
    assert len(wave) == 1_569_128 and (wave[0], wave[-1]) == (500.0, 54999.75)
    first, stop = pixel_range(wave, (8038, 12849))
    assert stop - first == 338_651 and wave[first] >= 8038 > wave[first - 1] and wave[stop - 1] <= 12849 < wave[stop]
    begin, end = Pixels(4 * BLOCK, 0, len(wave), len(wave)).bytes_of(first, stop)
    assert (begin, end - begin) == (4 * 2880 + 4 * first, 4 * 338_651)
    for band in ((8038, 12849), (4000, 5600), (500, 1000), (14900, 15400), (25000, 52000)):
        assert pixels_in(band) == pytest.approx(np.subtract(*pixel_range(wave, band)[::-1]), abs=5)


@pytest.mark.real
def test_a_spectrum_on_the_genuine_wavelengths(real_data, tmp_path):
    """A file of the library's full size: the band comes out of the right bytes."""
    wave = fits.getdata(real_data / "phoenix" / WAVE).astype(float)
    tree = make_tree(tmp_path / "tree", [(*SUN, 0.0)], wave)
    assert (tree / RELEASE / relative((*SUN, 0.0))).stat().st_size == pytest.approx(6.3e6, rel=0.01)
    spectrum = grid(tmp_path, path=tree, teff=5800, logg=4.5, feh=0).load(SUN)
    assert len(spectrum) == 338_651
    expected = flux_of((*SUN, 0.0), wave)[np.searchsorted(wave, 8038) :][:338_651]
    np.testing.assert_array_equal(spectrum.flux, expected)
