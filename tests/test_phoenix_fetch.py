"""Downloads of the PHOENIX grid from a server on loopback that does everything servers do wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from contextlib import contextmanager
from hashlib import sha256
from itertools import product

import numpy as np
import pytest
from astropy.io import fits
from loopback import dead_url, serve
from phoenix_tree import RELEASE, WAVE, WAVES, flux_of, make_tree, relative, write_spectrum

from hml import GridError, alone, quiet
from hml.plugins.phoenix import PhoenixConfig
from hml.plugins.phoenix.source import PhoenixGrid

NODES = [(teff, 4.5, feh, 0.0) for teff, feh in product((5700.0, 5800.0, 5900.0), (-0.5, 0.0))]
SUN = (5800.0, 4.5, 0.0)
NAME = relative((*SUN, 0.0)).split("/")[1]
SPECTRA = "HiRes.fits"
BAND = (8038.0, 9000.0)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("original"), NODES)


@pytest.fixture
def tree(original, tmp_path):
    """A copy of the tree that a test may spoil."""
    return shutil.copytree(original, tmp_path / "tree")


@pytest.fixture
def server(tree):
    with serve(tree) as state:
        yield state


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "phoenix"


def grid(cache, *urls, **fields):
    chosen = {"teff": [5700, 5900], "logg": 4.5, "feh": [-0.5, 0], "wavelength": BAND, "retries": 0, "timeout": 5}
    return PhoenixGrid(PhoenixConfig(preprocess=(), base_urls=urls, **{**chosen, **fields}), cache)


def _inside(band):
    return np.logical_and(np.less_equal(band[0], WAVES), np.less_equal(WAVES, band[1]))


def right(source, nodes=NODES, band=BAND, scale=1):
    """Whether all spectra are the originals."""
    inside = _inside(band)
    assert list(source.nodes()) == [node[:3] for node in nodes]
    for node in nodes:
        spectrum = source.load(node[:3])
        np.testing.assert_array_equal(spectrum.wavelength, WAVES[inside])
        np.testing.assert_array_equal(spectrum.flux, scale * flux_of(node)[inside].astype(float))
    return True


def parts(cache):
    return sorted(path.name for path in cache.rglob("*.part*"))


class Told:
    """A progress that keeps what it hears, and may interrupt."""

    def __init__(self, interrupt_after=None):
        self.heard, self.totals, self.after = {}, {}, interrupt_after

    @contextmanager
    def __call__(self, task, total=None, unit=""):
        assert unit == "B"
        self.totals[task], self.heard[task] = total, 0

        def advance(amount):
            assert amount > 0
            self.heard[task] += amount
            if self.after is not None and task == "fetching phoenix" and self.heard[task] > self.after:
                raise KeyboardInterrupt

        yield advance


# --- the usual way


def test_the_band_alone_is_fetched_and_is_right(server, cache):
    source = grid(cache, server.url)
    assert len(source.missing().files) == 7
    source.fetch(quiet)
    assert source.missing() is None and right(source) and parts(cache) == []
    band = 4 * _inside(BAND).sum()
    whole = sum(path.stat().st_size for path in server.root.rglob("lte*.fits"))
    assert len(server.asked(SPECTRA)) == 12
    spectra = server.sent - (server.root / WAVE).stat().st_size - 2880  # and one question whether ranges work
    assert spectra == 6 * (band + 8 * 2880) < whole
    stored = cache / "bands" / "8038-9000" / relative((*SUN, 0.0))
    assert band < stored.stat().st_size < band + 3 * 2880
    with fits.open(stored) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["PHXTEFF"] == 5800 and len(hdus[0].data) == band // 4


def test_a_second_run_asks_nothing(server, cache):
    grid(cache, server.url).fetch(quiet)
    server.requests.clear()
    again = grid(cache, server.url)
    again.fetch(quiet)
    assert again.missing() is None and right(again) and server.requests == []


def test_a_server_without_ranges_gives_whole_files(tree, cache):
    with serve(tree, ranges=False) as server:
        source = grid(cache, server.url)
        told = Told()
        source.fetch(told)
        assert right(source) and not (cache / "bands").exists()
        assert len(server.asked(SPECTRA)) == 6
        stored = cache / RELEASE / relative((*SUN, 0.0))
        assert stored.read_bytes() == (tree / RELEASE / relative((*SUN, 0.0))).read_bytes()
        assert told.heard["fetching phoenix"] == told.totals["fetching phoenix"] > 6 * 4 * len(WAVES)
        requests = len(server.requests)
        wider = grid(cache, server.url, wavelength=[7500, 13000])  # whole files serve any band
        assert wider.missing() is None and right(wider, band=(7500, 13000)) and len(server.requests) == requests


def test_whole_files_on_request(server, cache):
    source = grid(cache, server.url, whole_files=True)
    source.fetch(quiet)
    assert right(source) and len(server.asked(SPECTRA)) == 6
    assert right(PhoenixGrid(PhoenixConfig(preprocess=(), path=cache, wavelength=BAND), cache))  # the original layout


def test_a_server_without_validators_serves_too(tree, cache):
    with serve(tree, validators=False) as server:
        source = grid(cache, server.url)
        source.fetch(quiet)
        assert right(source)


def test_a_wider_band_serves_a_narrower_one(server, cache):
    grid(cache, server.url, wavelength=[8000, 9500]).fetch(quiet)
    narrow = grid(cache, server.url)
    assert narrow.missing() is None and right(narrow)
    wider = grid(cache, server.url, wavelength=[7900, 9500])
    assert len(wider.missing().files) == 6
    wider.fetch(quiet)
    assert right(wider, band=(7900, 9500)) and len(server.asked(WAVE)) == 3  # once whole, and two questions


def test_progress_ends_at_its_end_and_missing_tells_the_truth(server, cache):
    grid(cache, server.url, teff=5700).fetch(quiet)
    source, told = grid(cache, server.url), Told()
    expected = source.missing().bytes
    sent = server.sent
    source.fetch(told)
    assert told.totals == {"fetching phoenix": expected} and told.heard == told.totals
    assert server.sent - sent == pytest.approx(expected, rel=0.05, abs=2880)


def test_only_what_is_missing_is_fetched(server, cache):
    grid(cache, server.url, teff=5800).fetch(quiet)
    server.requests.clear()
    source = grid(cache, server.url)
    assert len(source.missing().files) == 4
    source.fetch(quiet)
    assert right(source) and not any("lte05800" in path for path, _ in server.requests)


def test_the_fingerprint_tells_fetched_from_missing(server, cache):
    source = grid(cache, server.url)
    before = source.fingerprint()
    source.fetch(quiet)
    assert source.fingerprint() == grid(cache, server.url).fingerprint() != before


# --- holes


def test_holes_are_found_named_and_remembered(server, cache):
    (server.root / RELEASE / relative((*SUN, 0.0))).unlink()
    source = grid(cache, server.url)
    source.fetch(quiet)
    assert source.holes() == [SUN] and right(source, [node for node in NODES if node[:3] != SUN])
    assert "1" in source.describe()["holes"]
    with pytest.raises(GridError, match=r"5800/4.50/-0.0 is a hole"):
        source.load(SUN)
    server.requests.clear()
    again = grid(cache, server.url)
    assert again.missing() is None and again.holes() == [SUN]
    again.fetch(quiet)
    assert server.requests == []
    remembered = json.loads((cache / "holes.json").read_text())["holes"]
    assert remembered == {f"{RELEASE}/{relative((*SUN, 0.0))}": [server.url]}


def test_a_hole_of_one_server_is_asked_of_another(tree, original, cache):
    (tree / RELEASE / relative((*SUN, 0.0))).unlink()
    with serve(tree) as first, serve(original) as second:
        grid(cache, first.url).fetch(quiet)
        source = grid(cache, first.url, second.url)
        assert source.holes() == [] and len(source.missing().files) == 1
        source.fetch(quiet)
        assert right(source) and len(second.requests) == 2


def test_when_all_are_holes_it_says_so(server, cache):
    source = grid(cache, server.url, teff=6000)
    with pytest.raises(GridError, match=r"none of the 2 selected spectra exists"):
        source.fetch(quiet)
    with pytest.raises(GridError, match="none of the 2"):
        grid(cache, server.url, teff=6000).nodes()


def test_a_damaged_list_of_holes_is_asked_again(server, cache):
    grid(cache, server.url).fetch(quiet)
    (cache / "holes.json").write_text("{")
    source = grid(cache, server.url, teff=[5700, 6000])
    source.fetch(quiet)
    assert len(source.holes()) == 2 and right(source)


# --- interruptions


@pytest.mark.parametrize("whole", [False, True])
def test_a_download_cut_off_is_resumed_by_the_next_call(server, cache, whole):
    grid(cache, server.url, teff=5700, whole_files=whole).fetch(quiet)
    server.cuts[NAME] = [6000] if whole else [99999, 2000]
    source = grid(cache, server.url, teff=5800, feh=0, whole_files=whole)
    with pytest.raises(GridError, match=f"1 of 1 files could not be fetched: .*{NAME}.*try again"):
        source.fetch(quiet)
    assert parts(cache) == [NAME + ".part", NAME + ".part.json"]
    assert source.missing() is not None
    had = next(cache.rglob("*.part")).stat().st_size
    server.requests.clear()
    source.fetch(quiet)
    assert right(source, [(*SUN, 0.0)]) and parts(cache) == []
    first = int(server.asked(NAME)[-1].removeprefix("bytes=").split("-")[0])
    assert had >= 2000 and first >= (6000 if whole else 2880 + 2000)


@pytest.mark.parametrize("whole", [False, True])
def test_a_retry_mends_a_download_cut_off(server, cache, whole):
    server.cuts[NAME] = [5000, 1000]
    server.cuts[WAVE] = [30_000]
    source = grid(cache, server.url, retries=2, whole_files=whole)
    source.fetch(quiet)
    assert right(source)


@pytest.mark.parametrize("if_range", [False, True])
def test_a_part_of_another_version_is_not_continued(server, cache, if_range):
    server.if_range = if_range
    server.cuts[NAME] = [99999, 2000]
    source = grid(cache, server.url, teff=5800, feh=0)
    with pytest.raises(GridError):
        source.fetch(quiet)
    write_spectrum(server.root / RELEASE / relative((*SUN, 0.0)), (*SUN, 0.0), scale=2)
    source.fetch(quiet)
    assert right(source, [(*SUN, 0.0)], scale=2)


@pytest.mark.parametrize("if_range", [False, True])
def test_a_part_of_a_whole_file_of_another_version_is_not_continued(server, cache, if_range):
    server.if_range = if_range
    server.cuts[NAME] = [6000]
    source = grid(cache, server.url, teff=5800, feh=0, whole_files=True, retries=1)
    with pytest.raises(GridError):
        grid(cache, server.url, teff=5800, feh=0, whole_files=True).fetch(quiet)
    path = server.root / RELEASE / relative((*SUN, 0.0))
    write_spectrum(path, (*SUN, 0.0), scale=2)
    source.fetch(quiet)
    assert (cache / RELEASE / relative((*SUN, 0.0))).read_bytes() == path.read_bytes()


def test_a_server_that_finds_the_range_too_far_is_asked_for_the_whole(server, cache):
    server.cuts[NAME] = [30_000]
    source = grid(cache, server.url, teff=5800, feh=0, whole_files=True, retries=1)
    with pytest.raises(GridError):
        grid(cache, server.url, teff=5800, feh=0, whole_files=True).fetch(quiet)
    server.answers[NAME] = [(416, b"")]
    source.fetch(quiet)
    assert right(source, [(*SUN, 0.0)])


@pytest.mark.parametrize("connections", [1, 4])
def test_interrupted_it_keeps_what_is_finished(server, cache, connections):
    source = grid(cache, server.url, connections=connections)
    with pytest.raises(KeyboardInterrupt):
        source.fetch(Told(interrupt_after=60_000))
    finished = {path.name: path.stat().st_mtime_ns for path in cache.rglob("lte*.fits")}
    assert (cache / WAVE).is_file() and len(finished) < 6
    server.requests.clear()
    again = grid(cache, server.url)
    again.fetch(quiet)
    assert right(again) and parts(cache) == []
    assert not any(server.asked(name) for name in finished) and len(server.asked(WAVE)) == 1  # a question, no body
    assert {path.name: path.stat().st_mtime_ns for path in cache.rglob("lte*.fits")}.items() >= finished.items()


@pytest.mark.parametrize("if_range", [False, True])
def test_a_file_that_changes_between_two_ranges_is_read_again(server, cache, if_range):
    server.if_range = if_range
    path = server.root / RELEASE / relative((*SUN, 0.0))

    def change(asked_path, asked):
        if asked_path.endswith(NAME) and len(server.asked(NAME)) == 2:
            write_spectrum(path, (*SUN, 0.0), scale=2)

    server.before = change
    source = grid(cache, server.url, teff=5800, feh=0, retries=1)
    source.fetch(quiet)
    assert right(source, [(*SUN, 0.0)], scale=2) and len(server.asked(NAME)) == 4


def test_a_file_that_changes_all_the_time_is_an_error(server, cache):
    path = server.root / RELEASE / relative((*SUN, 0.0))
    times = iter(range(10**9, 2 * 10**9))
    server.before = lambda *_: os.utime(path, (next(times),) * 2)
    source = grid(cache, server.url, teff=5800, feh=0, retries=1)
    with pytest.raises(GridError, match=f"{NAME}.*the file changed while it was read"):
        source.fetch(quiet)
    assert not list(cache.rglob("lte*HiRes.fits"))


# --- servers and files that are wrong


def _spoil(path, how):
    data = path.read_bytes()
    if how == "html":
        path.write_bytes(b"<!DOCTYPE html>".ljust(60_000))
    elif how == "magic":
        path.write_bytes(b"XXXXXX" + data[6:])
    elif how == "truncated":
        path.write_bytes(data[:40_000])
    elif how == "labels":
        write_spectrum(path, (5900.0, 4.5, 0.0, 0.0))
    elif how == "alpha":
        write_spectrum(path, (*SUN, 0.4))
    elif how == "pixels":
        write_spectrum(path, (*SUN, 0.0), WAVES[:-1])
    elif how == "nan":
        first = int(np.searchsorted(WAVES, BAND[0]))
        path.write_bytes(data[: 2880 + 4 * first] + b"\xff" * 4 + data[2884 + 4 * first :])
    elif how == "endless":
        path.write_bytes(b"SIMPLE  =                    T".ljust(80) * 36 * 100)
    elif how == "empty":
        path.write_bytes(b"")


@pytest.mark.parametrize("mode", ["band", "whole", "no ranges"])
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("html", "is not FITS, it begins with '<!DOCTYPE"),
        ("magic", "is not FITS, it begins with 'XXXXXX"),
        ("truncated", "is cut off"),
        ("labels", "header says PHXTEFF = 5900.0, the name says 5800"),
        ("alpha", "header says PHXALPHA = 0.4, the name says 0"),
        ("pixels", "belongs to 13999 wavelengths, the wavelength file has 14000"),
        ("nan", "is not finite"),
        ("endless", "no END card in its first 184320 bytes"),
        ("empty", "416|is cut off"),
    ],
)
def test_a_wrong_file_is_named_and_never_kept(tree, cache, mode, how, says):
    _spoil(tree / RELEASE / relative((*SUN, 0.0)), how)
    with serve(tree, ranges=mode != "no ranges") as server:
        source = grid(cache, server.url, whole_files=mode == "whole")
        with pytest.raises(GridError, match=says) as caught:
            source.fetch(quiet)
        text = str(caught.value)
        assert NAME in text and server.url in text and "1 of 6" in text and "\n" not in text
        assert not list(cache.rglob(NAME)) and parts(cache) == []
        assert len(source.missing().files) == 1  # the others are here
        source.load((5900.0, 4.5, 0.0))


def test_a_page_instead_of_the_file_is_no_file_and_no_hole(server, cache):
    server.answers[NAME] = [(200, b"<html>please log in</html>")]
    source = grid(cache, server.url)
    with pytest.raises(GridError, match=r"is cut off|is not FITS"):
        source.fetch(quiet)
    assert source.holes() == []
    source.fetch(quiet)
    assert right(source)


def test_a_busy_server_is_asked_again_and_others_errors_are_told(server, cache):
    server.answers[NAME] = [(503, b""), (500, b"")]
    source = grid(cache, server.url, retries=2)
    source.fetch(quiet)
    assert right(source)
    shutil.rmtree(cache)
    server.answers[NAME] = [(403, b"")]
    with pytest.raises(GridError, match=f"{server.url}: answers 403 Forbidden"):
        grid(cache, server.url, retries=2).fetch(quiet)


def test_a_dead_server_is_passed_over_and_not_asked_for_every_file(server, cache):
    source = grid(cache, dead_url(), server.url)
    source.fetch(quiet)
    assert right(source)


def test_a_spoiled_file_is_taken_from_the_next_server(tree, original, cache):
    _spoil(tree / RELEASE / relative((*SUN, 0.0)), "labels")
    with serve(tree) as first, serve(original) as second:
        source = grid(cache, first.url, second.url)
        source.fetch(quiet)
        assert right(source) and {path for path, _ in second.requests} == {f"/{RELEASE}/{relative((*SUN, 0.0))}"}


def test_a_wrong_address_makes_no_holes(server, tmp_path, cache):
    """When the good server has died, another one's 404 to everything must not be remembered."""
    (tmp_path / "nothing").mkdir()
    grid(cache, server.url, teff=5700).fetch(quiet)
    with serve(tmp_path / "nothing") as wrong:
        source = grid(cache, dead_url(), wrong.url)
        with pytest.raises(GridError, match=r"4 of 4 files.*answers 404 Not Found"):
            source.fetch(quiet)
    assert source.holes() == [] and not (cache / "holes.json").exists()


def test_a_silent_server_is_given_up_after_its_time(original, cache):
    release = threading.Event()
    with serve(original, before=lambda *_: release.wait(20)) as silent, serve(original) as server:
        source = grid(cache, silent.url, server.url, timeout=0.2)
        source.fetch(quiet)
        release.set()
        assert right(source) and len(silent.requests) == 1


@pytest.mark.parametrize("drip", [0.0, 0.05])
def test_a_server_that_stops_or_trickles_midway_is_given_up(server, cache, drip):
    server.cuts[NAME], server.hold, server.drip = [500, 500], threading.Event(), drip
    source = grid(cache, server.url, timeout=0.3)
    with pytest.raises(GridError, match="timed out"):
        source.fetch(quiet)
    server.hold.set()
    server.cuts, server.hold = {}, None
    source.fetch(quiet)
    assert right(source)


def test_when_nobody_answers_every_address_is_listed(cache):
    one, other = dead_url(), dead_url()
    source = grid(cache, one, other)
    with pytest.raises(GridError, match="no server can be reached") as caught:
        source.fetch(quiet)
    text = str(caught.value)
    assert one in text and other in text and "refused" in text and "--grid synthetic" in text and "\n" not in text
    assert not list(cache.rglob("*.fits")) and source.missing() is not None


def test_a_server_that_dies_midway_leaves_the_finished_files(tree, cache):
    with serve(tree) as server:
        grid(cache, server.url, teff=5700).fetch(quiet)
    source = grid(cache, server.url)
    with pytest.raises(GridError, match="no server can be reached"):
        source.fetch(quiet)
    assert len(source.missing().files) == 4 and right(grid(cache, server.url, teff=5700), NODES[:2])


def test_without_a_wavelength_file_there_is_a_clear_error(server, cache):
    (server.root / WAVE).unlink()
    with pytest.raises(GridError, match=rf"not fetched: {WAVE} .{server.url}: answers 404 Not Found.; is grid"):
        grid(cache, server.url).fetch(quiet)
    (server.root / WAVE).write_bytes(b"<html>".ljust(4000))
    with pytest.raises(GridError, match=f"{WAVE}: is not FITS"):
        grid(cache, server.url).fetch(quiet)
    assert not (cache / WAVE).exists()


def test_offline_uses_what_is_here_and_asks_nobody(server, cache):
    nothing = grid(cache, server.url, offline=True)
    assert len(nothing.nodes()) == 6 and nothing.missing().sources == ()
    with pytest.raises(GridError, match=r"grid.offline is true"):
        nothing.fetch(quiet)
    grid(cache, server.url, teff=5800).fetch(quiet)
    server.requests.clear()
    source = grid(cache, server.url, offline=True)
    assert source.missing() is None and right(source, NODES[2:4]) and server.requests == []


def test_two_processes_do_not_fetch_into_one_folder(server, cache, caplog):
    """The second one waits, and finds what the first one got."""
    caplog.set_level("INFO", "hml")
    first, second = grid(cache, server.url), grid(cache, server.url)
    assert second.missing() is not None
    with alone(cache / "fetch.lock", "the test"):
        thread = threading.Thread(target=second.fetch, args=(quiet,))
        thread.start()
        while "waiting for another process" not in caplog.text:
            time.sleep(0.01)
        assert server.requests == []
    thread.join()
    assert right(second)
    server.requests.clear()
    first.fetch(quiet)
    assert right(first) and server.requests == []


# --- what is recorded of files


def test_what_is_fetched_is_recorded_as_sha256sum_writes_it(server, cache):
    source = grid(cache, server.url)
    source.fetch(quiet)
    lines = (cache / "SHA256SUMS").read_text().splitlines()
    told = dict(reversed(line.split("  ")) for line in lines)
    assert len(lines) == 2 * len(told)
    files = list(cache.rglob("*.fits"))
    assert set(told) == {path.relative_to(cache).as_posix() for path in files}
    assert all(told[path.relative_to(cache).as_posix()] == sha256(path.read_bytes()).hexdigest() for path in files)
    before = source.fingerprint()
    for path in files:
        os.utime(path, (1, 1))  # as copies and clocks do
    assert grid(cache, server.url).fingerprint() == before


@pytest.mark.parametrize("spoil", ["flip", "cut", "empty"])
@pytest.mark.parametrize("name", [NAME, WAVE])
def test_a_file_that_rots_is_named_and_fetched_again(server, cache, caplog, name, spoil):
    source = grid(cache, server.url)
    source.fetch(quiet)
    before, path = source.fingerprint(), next(cache.rglob(name))
    content = path.read_bytes()
    at = len(content) // 2
    spoilt = {"flip": content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], "cut": content[:at], "empty": b""}
    path.write_bytes(spoilt[spoil])
    with pytest.raises(GridError, match=f"{name}: is damaged.*SHA256SUMS"):
        grid(cache, server.url, offline=True).load(SUN)
    source = grid(cache, server.url)
    assert source.missing() is None and right(source)
    assert f"{name}: is damaged" in caplog.text and "fetched again" in caplog.text
    assert path.read_bytes() == content and source.fingerprint() == before


def test_a_download_must_be_what_is_recorded(server, cache):
    cache.mkdir(parents=True)
    source = grid(cache, server.url)
    source.fetch(quiet)
    sums = cache / "SHA256SUMS"
    sums.write_text(re.sub(r"[0-9a-f]{64}(?=  .*" + re.escape(NAME) + ")", "0" * 64, sums.read_text()) + "torn li")
    with pytest.raises(GridError, match=rf"{NAME}: what was sent is not what .*SHA256SUMS records"):
        right(grid(cache, server.url))
    assert not list(cache.rglob(NAME)) and parts(cache) == []
    lines = sums.read_text().splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if NAME not in line))
    source = grid(cache, server.url)
    source.fetch(quiet)
    assert right(source)
    assert right(grid(cache, server.url))  # the torn line has spoilt no other


@pytest.mark.parametrize("spoil", ["digest", "path", "line", "half"])
def test_a_spoilt_list_is_named_and_put_right(server, cache, caplog, spoil):
    source = grid(cache, server.url)
    source.fetch(quiet)
    before, sums = source.fingerprint(), cache / "SHA256SUMS"
    lines = sums.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if NAME in line)
    flipped = ("1" if lines[at][0] == "0" else "0") + lines[at][1:]
    other = {"digest": flipped, "path": lines[at].replace(NAME, NAME.replace("5", "4")), "line": "\0" + lines[at]}
    sums.write_text("".join(lines[: len(lines) // 2 - 1] if spoil == "half" else
                            [*lines[:at], other[spoil], *lines[at + 1 :]]))
    source = grid(cache, server.url)
    assert source.fingerprint() == before
    assert right(source)
    assert ("written anew" in caplog.text) == (spoil in ("digest", "half"))  # of two lines one is enough


def test_a_folder_with_a_list_is_held_against_it(tree):
    path = next(tree.rglob(NAME))
    (tree / "SHA256SUMS").write_text(f"{'0' * 64}  {path.relative_to(tree).as_posix()}\n")
    with pytest.raises(GridError, match="is damaged"):
        grid(tree / "none", path=tree).load(SUN)


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GridError, match=r"cannot be written .*HML_HOME"):
        grid(tmp_path / "file" / "phoenix", server.url).fetch(quiet)
