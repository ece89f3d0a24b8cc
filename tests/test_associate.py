"""Tracks: the same line at every node, also when it is missed at some; and the paper's own matching."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hml.core.associate import APART, identical, pile
from hml.core.check import checked
from hml.core.lines import Clone, FoundLines
from hml.core.rounds import agreed, fitted, no_tracks, spreads, typical_width, with_more
from hml.core.space import Space
from hml.plugins.profiles.pseudo_voigt import PseudoVoigt

NODES = np.array([[t, g] for t in (5000.0, 5200.0, 5400.0, 5600.0) for g in (4.0, 4.5, 5.0)])
SPACE = Space.from_nodes(("teff", "logg"), [tuple(n) for n in NODES])
PROFILE, WIDTH = PseudoVoigt(), 1e-5


def seen(centre, depth=0.1):
    centre = np.asarray(centre, dtype=float)
    depth = np.full(len(centre), depth)
    return FoundLines(centre, depth, depth, WIDTH * centre)


def test_lines_that_stray_less_than_their_width_pile_up_to_one_track_each():
    rng, base = np.random.default_rng(0), 8500.0 * np.exp(WIDTH * np.arange(0, 40, 2.0))
    centres = [base * (1 + 0.1 * WIDTH * rng.standard_normal(len(base))) for _ in range(12)]
    tracks = pile(centres, [np.full(len(base), 0.1)] * 12, WIDTH)
    assert len(tracks) == len(base)
    np.testing.assert_allclose(tracks, base, rtol=0.15 * WIDTH)


def test_a_line_missed_at_most_nodes_is_a_track_still():
    centres = [np.array([8500.0, 8501.0])] + [np.array([8500.0])] * 11
    assert len(pile(centres, [np.full(len(c), 0.1) for c in centres], WIDTH)) == 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(8500, 8501), max_size=60), st.integers(1, 4))
def test_tracks_are_apart_and_near_lines(centre, copies):
    centre = np.sort(centre)
    tracks = pile([centre] * copies, [np.full(len(centre), 0.05)] * copies, WIDTH)
    assert (np.diff(np.log(tracks)) > 0.8 * APART * WIDTH).all()
    assert (len(tracks) > 0) == (len(centre) > 0)
    for track in tracks:
        assert np.abs(centre / track - 1).min() < WIDTH


def test_tracks_begin_alike_and_nothing_is_added_where_one_is():
    lines = no_tracks(checked(SPACE, NODES, np.zeros((len(NODES), 8))), PROFILE)
    lines = with_more(lines, [seen([8500.0, 8502.0])] * 12, PROFILE, WIDTH)
    assert len(lines) == 2
    assert np.isnan(lines.table.values[..., 1]).all()  # each node finds its own amplitude
    assert (lines.table.values[:, :, 2:] == lines.table.values[:1, :, 2:]).all()
    assert (spreads(lines)[:, 1] == 1.0).all()
    more = with_more(lines, [seen([8500.0 * (1 + 0.2 * WIDTH), 8501.0])] * 12, PROFILE, WIDTH)
    np.testing.assert_allclose(more.reference, [8500.0, 8501.0, 8502.0], rtol=WIDTH)
    assert typical_width([seen([8500.0, 8502.0])]) == WIDTH


def clones(params, information):
    """At every node one line at 8500 Å with params `[M, K]`."""
    shape = PROFILE.params
    return [
        Clone(np.array([8500.0]), row[None], shape, np.array([8500.0]), 1e-3, information=known[None])
        for row, known in zip(params, information, strict=True)
    ]


def one_track():
    lines = no_tracks(checked(SPACE, NODES, np.zeros((len(NODES), 8))), PROFILE)
    lines = with_more(lines, [seen([8500.0])] * 12, PROFILE, WIDTH)
    reference = np.array([8500.0])
    return type(lines)(reference, lines.table, lines.present)


def test_what_varies_linearly_is_kept_and_the_unknown_follows_its_neighbours():
    smooth = np.stack([NODES[:, 0] / 1000 + NODES[:, 1], -3 + 0 * NODES[:, 0], -4 - NODES[:, 1]], -1)
    known = np.repeat(100.0 * np.eye(4)[None], 12, 0)
    made = agreed(one_track(), clones(smooth, known), WIDTH).table.values[:, 0, 1:]
    np.testing.assert_allclose(made, smooth, atol=1e-8)
    spoilt, known[4] = smooth.copy(), 0.0
    spoilt[4] += 2.0
    made = agreed(one_track(), clones(spoilt, known), WIDTH).table.values[:, 0, 1:]
    np.testing.assert_allclose(made, smooth, atol=1e-3)
    np.testing.assert_array_equal(fitted(one_track(), clones(spoilt, known)).table.values[:, 0, 1:], spoilt)


def test_the_papers_matching_is_by_identical_centres_before_the_fit():
    def clone(centre, found):
        params = np.tile([-4.0, -3.0, -4.0], (len(centre), 1))
        return Clone(np.array(centre), params, PROFILE.params, np.array(found), 0.0)

    six = NODES[:6]
    nodes = [clone([8500.013, 8503.0], [8500.01, 8503.01]) for _ in range(5)] + [clone([8500.013], [8500.02])]
    lines = identical(Space.from_nodes(("teff", "logg"), [tuple(n) for n in six]), six, nodes)
    assert len(lines) == 3
    assert lines.cut == -100
    missing = lines.table.values[5, ~lines.present[5]]
    np.testing.assert_allclose(missing[:, 1:], -1000)
    np.testing.assert_allclose((lines.reference + lines.table.values[5, :, 0])[~lines.present[5]], -1000)
    np.testing.assert_allclose((lines.reference + lines.table.values[0, :, 0])[lines.present[0]], [8500.013, 8503.0])
