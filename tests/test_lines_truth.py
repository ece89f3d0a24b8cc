"""A generator of the synthetic grid, whose lines are known: the strong ones are found, and named rightly."""

import numpy as np
import pytest
from line_files import names, synthetic_lines, write_moog, write_vald

from hml import build, load_config
from hml.core.catalogue import Wanted, choose
from hml.core.linelist.read import read_line_list
from hml.core.space import LIGHT
from hml.plugins.synthetic.atmosphere import Atmosphere
from hml.plugins.synthetic.linelist import SPECIES

BAND = (8700.0, 8760.0)
LABELS = {"teff": 5200.0, "logg": 4.0, "feh": -0.5}
SETS = [
    "grid.teff={nodes: [5000, 5200, 5400]}", "grid.logg={nodes: [4.0, 4.5]}", "grid.feh={nodes: [-0.5, 0.0]}",
    f"grid.wavelength=[{BAND[0]}, {BAND[1]}]", "clone.steps=10", "associate={rounds: 1, steps: 3}",
    "runtime.workers=1",
]


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HML_HOME", str(tmp_path_factory.mktemp("truth_home")))
        return build(load_config(sets=SETS))


@pytest.fixture(scope="module")
def listed():
    return synthetic_lines(BAND[0] - 5, BAND[1] + 5)


def true_strength(lines):
    """log10 of each line's opacity over its widths: how many particles there are, too."""
    atmosphere = Atmosphere.of(LABELS)
    population = np.array([atmosphere.log_population(species) for species in SPECIES])
    return population[lines.species] + lines.log_gf - atmosphere.theta * lines.excitation


@pytest.mark.parametrize("form", ["stellar", "moog"])
def test_strong_lines_are_found_and_named_rightly(generator, listed, tmp_path, form):
    path = tmp_path / "lines.txt"
    if form == "moog":
        write_moog(path, listed)
    else:
        write_vald(path, listed, form, "air")
    found = choose(generator, Wanted(lines=read_line_list(path), tolerance=2.0))
    strength, label = true_strength(listed), names(listed)
    strong = np.flatnonzero(found.tracks.depth > 0.1)
    assert len(strong) >= 30
    right, offset = [], []
    for i in strong:
        near = np.flatnonzero(np.abs(listed.wavelength / found.tracks.centre[i] - 1) * LIGHT < 2.0)
        best = near[strength[near].argmax()]
        right.append(found.matches.species[i] == label[best])
        offset.append(abs(found.tracks.centre[i] / listed.wavelength[best] - 1) * LIGHT)
    assert np.mean(right) > 0.9
    assert np.median(offset) < 0.1, "km/s: lines are where they are"
    assert sum(len(found.matches.candidates[i]) > 1 for i in strong) >= 8, "it was a choice"


def test_the_strongest_lines_of_the_list_have_tracks(generator, listed):
    inside = np.flatnonzero((listed.wavelength > BAND[0]) & (listed.wavelength < BAND[1]))
    strength, centre = true_strength(listed), generator.reference.numpy()
    for i in inside[np.argsort(-strength[inside])[:25]]:
        away = np.abs(listed.wavelength / listed.wavelength[i] - 1) * LIGHT
        if not (strength[away < 15] > strength[i]).any():  # a weaker line beside it hides in its wing
            assert np.abs(centre / listed.wavelength[i] - 1).min() * LIGHT < 0.5, names(listed)[i]


def test_a_species_alone_absorbs_where_its_lines_are(generator, listed, tmp_path):
    path = tmp_path / "lines.moog"
    write_moog(path, listed)
    chosen = choose(generator, Wanted(lines=read_line_list(path), species="Si 1"))
    assert chosen.species == "Si I"
    part = generator.only(chosen.tracks.number).spectrum(LABELS)
    silicon = listed.wavelength[[name == "Si I" for name in names(listed)]]
    deepest = part.wavelength[part.flux.argmin()]
    assert np.abs(silicon / deepest - 1).min() * LIGHT < 0.5
    far = np.abs(part.wavelength[:, None] / silicon - 1).min(1) * LIGHT > 30
    assert part.flux[far].min() > 1 - 0.2 * (1 - part.flux.min())
