"""The page of a run: whole, alone, safe, and saying what result.json says."""

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from toy import make

import hml
from hml.core import pipeline
from hml.core.config import parse_config
from hml.core.figures.canvas import png
from hml.core.generator import doppler
from hml.core.observe import Target
from hml.core.page.citations import METHOD, SOFTWARE, citations
from hml.core.page.orders import Fitted, OrderView
from hml.core.page.panel import FLUX, LEFT, REST, RIGHT, panel
from hml.core.page.words import cells, digits, fit_quality, number, status
from hml.core.page.worst import worst_lines
from hml.core.result import Measured
from hml.core.spectrum import Spectrum

ROOT = Path(__file__).resolve().parent.parent
VOID = {"meta", "img", "br", "link", "input"}
TRUTH = {"teff": 5433.0, "logg": 4.4}
HOSTILE = '<script>alert("1")</script>&\u202eesrever\x1b[31m {{ 7*7 }} \'"--></pre>'


class Page(HTMLParser):
    """Elements in turn with their attributes, the text, and whether every element is closed where it should be."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.words = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def generator():
    return make(complete=True)


def orders_of(generator, dips=()):
    """Three orders of the star, the second without a usable pixel; `dips` {wavelength: depth} in the others."""
    rng = np.random.default_rng(0)
    whole = generator.spectrum(TRUTH)
    found = []
    for i, (low, high) in enumerate([(8501, 8515), (8515, 8522), (8522, 8539)]):
        part = whole.cut(low, high)
        flux = part.flux + 0.005 * rng.standard_normal(len(part))
        for centre, depth in dict(dips).items():
            flux -= depth * np.exp(-0.5 * ((part.wavelength - centre) / 0.08) ** 2)
        mask = np.full(len(part), i != 1)
        mask[40:50] = False
        meta = {"masked": {"tellurics <x>": 7}} if i == 0 else {}
        found.append(Spectrum(part.wavelength, 3 * flux, np.full(len(part), 0.015), mask, name=f"order {i} {HOSTILE}",
                              meta=meta))
    return found


@pytest.fixture(scope="module")
def ran(generator, tmp_path_factory):
    """`ran(truth, …)` is a run on these orders, without its generator being stored: folder, result, page."""
    search = {"name": "lm", "n_initial": 12, "n_starts": 1}

    def run(truth=None, orders=None, corner=False, **changes):
        folder = tmp_path_factory.mktemp("run")
        if corner:
            (folder / "corner.png").write_bytes(_a_png())
        config = parse_config({"optimizer": search, "runtime": {"device": "cpu"}, **changes})
        target = Target(orders or orders_of(generator), f"read from {HOSTILE}", truth)
        parts = pipeline.Parts.of(config)
        clock = pipeline.Clock()
        result = pipeline._measure(parts, generator, target, clock, folder, (f"a note of {HOSTILE}",))
        return folder, result, Page((folder / "report.html").read_text(encoding="utf-8"))

    return run


def _a_png():
    from matplotlib.figure import Figure

    return png(Figure(figsize=(1, 1)))


@pytest.fixture(scope="module")
def star(ran):
    return ran()


def test_the_page_needs_nothing_but_itself(star):
    folder, _, page = star
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(?i)https?:|//[a-z]+\.|@import|url\(|<base|<iframe|<object|javascript:", text)
    assert page.all("script") == page.all("link") == []
    sources = [image["src"] for image in page.all("img")]
    assert len(sources) == 1
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert page.all("meta")[0] == {"charset": "utf-8"}


def test_what_comes_from_files_is_text(star):
    folder, _, page = star
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "alert" in page.text  # it is there, as text
    assert "<script" not in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert "49" not in page.text.split("esrever")[1][:20]
    assert "{{ 7*7 }}" in page.text
    assert "tellurics <x>" in page.text
    assert page.all("pre") == [{}]


def test_the_page_says_what_result_json_says(star):
    folder, _, page = star
    stored = json.loads((folder / "result.json").read_text())
    for parameter in stored["parameters"]:
        shown = digits(parameter["error"], parameter["value"])
        assert number(parameter["value"], shown) in page.text
        assert f"± {number(parameter['error'], shown)}" in page.text
    assert f"χ² per pixel is {stored['objective']:.3g} over {stored['counts']['pixels']:,} pixels" in page.text
    assert stored["fingerprints"]["config"] in page.text
    assert stored["versions"]["torch"] in page.text
    assert "n_initial: 12" in page.text
    for note in ("vsini not applied", "a note of"):
        assert note in page.text


def test_truth_is_shown_where_it_is_known(ran, star):
    _, result, page = ran(TRUTH)
    assert "truth" in page.text
    assert "5433" in page.text
    off = (result["teff"].value - 5433) / result["teff"].error
    assert f"{off:+.1f}".replace("-", "−") in page.text
    headings = star[2].text.split("parameter result")[1][:40]
    assert "truth" not in headings
    assert "difference" not in headings


def test_every_order_is_there_with_the_reason_for_what_was_not_used(star):
    _, result, page = star
    assert sum(attributes.get("class") == "order" for attributes in page.all("details")) == 3
    assert len(page.all("svg")) == 2
    assert "not used" in page.text
    rows = page.text.split("Pixels used")[1].split("To be cited")[0]
    used = re.findall(r"Å (?:[\d,]+) ([\d,]+) ", rows)
    assert sum(int(count.replace(",", "")) for count in used) == result.counts["pixels"]
    assert "7 tellurics <x>; 3 masked" in rows  # ten were masked, of which seven are explained
    assert "351 masked" in rows


def test_pictures_of_the_folder_are_in_the_page(ran, star):
    assert "Posterior" not in star[2].text
    _, _, page = ran(corner=True)
    assert "Posterior" in page.text
    assert len(page.all("img")) == 2


def test_data_without_errors_are_said_to_have_none(ran, generator):
    orders = [replace(order, error=None) for order in orders_of(generator)]
    _, result, page = ran(orders=orders)
    assert result.metric == "rms"
    assert "no errors to compare it with" in page.text
    assert "χ² per pixel" not in page.text


def test_the_worst_lines_are_those_that_were_spoilt(ran, generator):
    dips = {8508.0: 0.05, 8530.0: 0.12}
    page = ran(orders=orders_of(generator, dips))[2]
    rows = page.text.split("its depth")[1].split("Convergence")[0]
    first, second = re.findall(r"(85\d\d\.\d\d) (\d) \d+\.\d\d ([−+]\d+\.\d) % (\d+\.\d) σ", rows)[:2]
    for row, (centre, depth), order in ((first, (8530.0, 0.12), "3"), (second, (8508.0, 0.05), "1")):
        assert abs(float(row[0]) - centre) < 0.1
        assert row[1] == order
        assert -float(row[2].replace("−", "-")) / 100 == pytest.approx(depth, abs=0.03)
        assert float(row[3]) > 10


def test_noise_alone_and_bent_continua_have_no_worst_lines(generator):
    wavelength, found = np.linspace(8501, 8539, 4000), []
    for seed in range(10):
        noise = np.random.default_rng(seed).standard_normal(4000) * 0.01
        for trend in (0.0, 0.03 * np.cos(np.linspace(0, 9, 4000))):
            fitted = Fitted(wavelength, 1 + noise + trend, np.ones(4000), np.full(4000, 0.01))
            order = OrderView(1, "", Spectrum(wavelength, fitted.flux), fitted)
            found += worst_lines([order], generator, TRUTH)
    assert found == []


@given(st.integers(0, 39), st.floats(-80, 80))
def test_a_track_is_found_where_it_is_seen(number, velocity):
    """A line that the data lack is named by its track, wherever the velocity moves it."""
    generator = _SHARED
    factor = float(doppler(np_tensor(velocity)))
    rest = float(generator.lines(TRUTH).centre[0, number])
    x = np.arange(8496.0, 8544.0, 0.02)
    noise = np.full(len(x), 0.001)
    residual = 0.05 * np.exp(-0.5 * ((x - rest * factor) / 0.05) ** 2)
    residual += noise * np.random.default_rng(number).standard_normal(len(x))
    order = OrderView(1, "", Spectrum(x, 1 + residual), Fitted(x, 1 + residual, np.ones(len(x)), noise))
    worst = worst_lines([order], generator, {**TRUTH, "rv": velocity})[0]
    assert worst.depth == pytest.approx(0.05, abs=0.005)
    assert abs(worst.wavelength - rest * factor) < 0.02
    away = np.abs(generator.lines(TRUTH).centre[0].numpy() * factor - worst.wavelength)
    assert worst.track is not None
    assert away[worst.track] <= worst.width / 2 + 0.05
    assert worst.line_depth >= max(_DEPTHS[away < worst.width / 2])  # of several it is the deepest


def np_tensor(value):
    import torch

    return torch.tensor(value, dtype=torch.float64)


def _depths(generator):
    from hml.core.tracks import strengths

    return strengths(generator, generator.space.to_array(TRUTH)[None])[1][0].astype(float)


_SHARED = make(complete=True)
_DEPTHS = _depths(_SHARED)


@given(st.integers(2, 60), st.integers(0, 2**31))
def test_curves_stay_in_their_panels_and_show_every_pixel(count, seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(8000, 8100, count)) + np.arange(count) * 1e-3
    flux, model = rng.normal(1, 0.1, count), rng.normal(1, 0.1, count)
    made = panel(OrderView(1, "", Spectrum(x, flux), Fitted(x, flux, model, np.abs(flux) + 1e-3)))
    for curves, (top, bottom) in ((made.data, FLUX), (made.model, FLUX), (made.rest, REST)):
        points = np.array([p.split(",") for curve in curves for p in curve.split()], dtype=float)
        assert len(points) == count
        assert (points[:, 0] >= LEFT).all()
        assert (points[:, 0] <= RIGHT).all()
        assert (np.diff(points[:, 0]) >= 0).all()
        assert (points[:, 1] >= top).all()
        assert (points[:, 1] <= bottom).all()
    for tick in made.x_ticks:  # a tick stands where its number is
        at = LEFT + (float(tick.text) - x[0]) / (x[-1] - x[0]) * (RIGHT - LEFT)
        assert at == pytest.approx(tick.at, abs=0.1)


# --- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "error", "shown"), [
    (4934.128, 5.59, ("4934.1", "± 5.6")), (4.38571, 0.00923, ("4.3857", "± 0.0092")),
    (53698.05, 3605.9, ("53698", "± 3606")), (-0.20917, 0.0529, ("−0.209", "± 0.053")),
    (0.0, 1e-12, ("0.000000000", "± 0.000000000")), (4934.128, None, ("4934.1", "not determined")),
])
def test_as_many_digits_as_the_error_allows(value, error, shown):
    row = cells(Measured("teff", "K", value, error, None, True))
    assert (row["value"], row["error"]) == shown
    assert (row["truth"], row["difference"], row["sigmas"]) == ("–", "–", "")


def test_a_fixed_parameter_is_called_fixed():
    assert cells(Measured("rv", "km/s", 3.0, None, 3.0, False))["error"] == "fixed"


@pytest.mark.parametrize(("objective", "words"), [(1.02, "about as large"), (9.0, "3 times as large"),
                                                  (0.04, "0.2 times")])
def test_how_good_a_fit_is_in_words(star, objective, words):
    assert words in fit_quality(replace(star[1], objective=objective))


@pytest.mark.parametrize("word", ["converged", "budget", "at_bound", "multimodal", "from_a_plugin"])
def test_every_status_has_words(star, word):
    told = status(replace(star[1], status=word))
    assert told["kind"] == ("good" if word == "converged" else "bad")
    assert told["text"].endswith(".")
    assert len(told["text"]) > 8


# --- to be cited -------------------------------------------------------------------------------------------------


def test_citations_agree_with_the_citation_file():
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert told["title"] == SOFTWARE
    texts = list(METHOD.values()) + [e.component.reference for e in hml.installed().entries]
    for reference in told["references"]:
        names = [author["family-names"] for author in reference["authors"]]
        fitting = [t for t in texts if names[0] in t and str(reference.get("year", "")) in t]
        assert fitting, reference["title"]
    method, blase = told["references"][:2]
    assert method["title"] in METHOD["the method"]
    assert blase["doi"] in METHOD["line-by-line clones (blasé)"]


def test_the_parts_of_a_run_are_cited_once(star):
    config = parse_config({"grid": "phoenix", "optimizer": "lm"})
    found = citations(config, "1.2")
    texts = [text for _, text in found]
    assert ("grid phoenix", "Husser et al. 2013, A&A 553, A6") in found
    assert any("Branch, Coleman & Li 1999" in text for text in texts)
    assert "version 1.2" in texts[0]
    assert len(set(texts)) == len(texts)
    assert "Thompson, Cox & Hastings 1987" in star[2].text


# --- where it is -------------------------------------------------------------------------------------------------


def test_the_template_is_in_the_wheel(tmp_path):
    code = ("import shutil, sys\nfrom setuptools import build_meta\n"
            "print(build_meta.build_wheel(sys.argv[1]))")
    source = tmp_path / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    import shutil

    shutil.copytree(ROOT / "hml", source / "hml", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert "hml/core/page/report.html" in zipfile.ZipFile(wheel).namelist()


def test_the_page_is_light_to_import():
    code = "import hml.cli, sys; print([m for m in ('jinja2', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
