"""Tracks: strength against numerical integrals, presence against counting, parts of a generator against the whole."""

import numpy as np
import pytest
import torch
from any_grid import any_generator
from toy import make

from hml import HmlError
from hml.core.tracks import absorbed, between, find_track, strengths, survey

AXES = {"teff": [5000.0, 5200.0, 5600.0], "logg": [4.0, 4.5]}
HERE = {"teff": 5300.0, "logg": 4.2}


@pytest.mark.parametrize("composition", ["opacity", "product", "sum"])
@pytest.mark.parametrize("profile", ["pseudo_voigt", "voigt"])
def test_equivalent_widths_are_integrals(profile, composition):
    generator = any_generator(AXES, profile=profile, clone={"composition": composition})
    width, depth = strengths(generator, generator.points(HERE).numpy())
    params = generator.lines(HERE).params[0]
    root = torch.linspace(-60, 60, 200_001, dtype=torch.float64)
    offset = root * root.abs()  # dense in the core, 3600 Å to either side
    lost = absorbed(generator.profile, offset.expand(len(params), -1), params, composition)
    np.testing.assert_allclose(width[0], torch.trapezoid(lost, offset), rtol=2e-4)
    np.testing.assert_allclose(depth[0], lost.max(-1).values, rtol=1e-5)
    if composition != "opacity":  # nothing saturates: the area is the amplitude
        np.testing.assert_allclose(width[0], params[:, 0].exp(), rtol=1e-4)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 30.0])
def test_weak_and_saturated_lines_are_integrated_as_well(factor):
    generator = any_generator(AXES)
    generator.manifold.base[:, 1] += np.log(factor)
    width, _ = strengths(generator, generator.points(HERE).numpy())
    params = generator.lines(HERE).params[0]
    root = torch.linspace(-300, 300, 400_001, dtype=torch.float64)
    lost = absorbed(generator.profile, (root * root.abs()).expand(len(params), -1), params, "opacity")
    np.testing.assert_allclose(width[0], torch.trapezoid(lost, root * root.abs()), rtol=1e-3)


def test_a_survey_is_what_looking_at_every_node_gives():
    generator = any_generator(AXES, holes=[(5200.0, 4.5)], lines=12)
    nodes = np.array(generator.header["nodes"])
    assert len(nodes) == 5
    each = [strengths(generator, node[None]) for node in nodes]
    width, depth = (np.concatenate([e[i] for e in each]) for i in (0, 1))
    threshold = float(np.median(depth))
    tracks = survey(generator, threshold=threshold)
    np.testing.assert_allclose(tracks.width, width.max(0), rtol=1e-6)
    np.testing.assert_array_equal(tracks.where, nodes[width.argmax(0)])
    np.testing.assert_allclose(tracks.depth, depth[width.argmax(0), np.arange(12)], rtol=1e-5)
    np.testing.assert_allclose(tracks.median, np.median(width, 0), rtol=1e-6)
    np.testing.assert_array_equal(tracks.presence, (depth >= threshold).sum(0))
    assert 0 < tracks.presence.sum() < 60
    assert tracks.nodes == 5


def test_some_tracks_are_surveyed_as_among_all_and_keep_their_numbers():
    generator = any_generator(AXES, lines=12)
    whole, some = survey(generator), survey(generator, np.array([2, 3, 7]))
    assert some.number.tolist() == [2, 3, 7]
    np.testing.assert_allclose(some.width, whole.width[[2, 3, 7]], rtol=1e-6)
    np.testing.assert_allclose(some.centre, whole.centre[[2, 3, 7]])


def test_in_many_portions_as_at_once(monkeypatch):
    generator = any_generator(AXES, lines=5)
    whole = survey(generator)
    monkeypatch.setattr("hml.core.tracks.AT_ONCE", 1)
    np.testing.assert_allclose(survey(generator).median, whole.median, rtol=1e-6)


def test_lines_that_end_are_absent_where_they_have_ended():
    generator = any_generator(AXES, cut=-100.0)
    generator.manifold.base[0, 1] = -1000.0
    generator.manifold.slope[:, 0] = 0.0
    tracks = survey(generator)
    assert (tracks.width[0], tracks.presence[0]) == (0.0, 0)
    assert (tracks.presence[1:] > 0).all()


def test_order_and_the_strongest():
    tracks = survey(any_generator(AXES, lines=12), threshold=0.2)
    few = tracks.strongest(4)
    assert len(few) == 4
    assert few.width.min() >= np.sort(tracks.width)[-4]
    assert (np.diff(few.centre) > 0).all()
    assert (np.diff(tracks.sorted_by("strength").width) <= 0).all()
    assert (np.diff(tracks.sorted_by("presence").presence) <= 0).all()
    assert len(tracks.strongest(99)) == 12


def test_between_two_wavelengths():
    generator = any_generator(AXES, lines=5)  # at 8501, 8503, … 8509
    assert between(generator, 8503, 8507).tolist() == [1, 2, 3]
    assert between(generator, None, 8502).tolist() == [0]
    assert between(generator, 9000, None).tolist() == []
    assert len(survey(generator, between(generator, 9000, None))) == 0


def test_a_track_is_named_by_number_or_wavelength():
    generator = any_generator(AXES, lines=5)
    assert [find_track(generator, text) for text in ("0", "4", "8503.0", "8503.05")] == [0, 4, 1, 1]
    for text, words in (("5", "from 0 to 4"), ("-1", "from 0 to 4"), ("8503", "decimal point"), ("8504.0", "30 km/s"),
                        ("x.y", "wavelength"), ("nan.", "wavelength"), ("²", "number")):
        with pytest.raises(HmlError, match=words):
            find_track(generator, text)


def test_parts_multiply_to_the_whole():
    generator = make("cubic")
    point = {"teff": 5444.0, "logg": 4.6}
    odd, even = np.arange(1, 40, 2), np.arange(0, 40, 2)
    product = generator.only(odd)(point) * generator.only(even)(point)
    torch.testing.assert_close(product, generator(point), atol=2e-6, rtol=0)  # opacities add
    assert len(generator.only(odd)) == 20
    nothing = generator.only(np.arange(0)).spectrum(point)
    np.testing.assert_array_equal(nothing.flux, np.ones(len(nothing)))


def test_part_of_a_generator_knows_what_was_divided_out():
    generator, point = make(), {"teff": 5444.0, "logg": 4.6}
    part = generator.only(np.arange(5)).spectrum(point, absolute=True)
    whole = generator.spectrum(point)
    np.testing.assert_allclose(part.flux, generator.only(np.arange(5)).spectrum(point).flux * whole.divided, rtol=1e-12)
