"""Tracks: the same line at every node, also when it moves, fades or is missed."""

import numpy as np

from hml.core.associate import associate, steps_between
from hml.core.config import AssociateConfig
from hml.core.lines import Clone
from hml.core.space import Space

NAMES = ("ln_amplitude", "ln_sigma", "ln_gamma")
NODES = np.array([[t, g] for t in (5000.0, 5200.0, 5400.0) for g in (4.0, 4.5)])
SPACE = Space.from_nodes(("teff", "logg"), [tuple(n) for n in NODES])


def clone(centre, ln_amplitude=-4.0, found=None):
    centre = np.asarray(centre, dtype=float)
    params = np.stack([np.full(len(centre), ln_amplitude), np.full(len(centre), -3.0), np.full(len(centre), -4.0)], -1)
    return Clone(centre, params, NAMES, centre if found is None else np.asarray(found, dtype=float), 0.0)


def test_lines_that_shift_from_node_to_node_are_one_track():
    base = np.array([8500.0, 8500.4, 8503.0])
    clones = [clone(base + 0.02 * m) for m in range(6)]
    lines = associate(SPACE, NODES, clones, AssociateConfig(tolerance=3.0))
    assert len(lines) == 3
    assert lines.present.all()
    np.testing.assert_allclose(lines.reference, base + 0.05)
    for m in range(6):
        np.testing.assert_allclose(lines.reference + lines.table.values[m, :, 0], base + 0.02 * m)


def test_a_missing_line_fades_and_keeps_its_shape():
    clones = [clone([8500.0, 8503.0]) if m < 4 else clone([8500.0]) for m in range(6)]
    lines = associate(SPACE, NODES, clones, AssociateConfig())
    assert len(lines) == 2
    assert not lines.present[4:, 1].any()
    assert np.isfinite(lines.table.values).all()
    assert (lines.table.values[4:, 1, 1] < -4.0).all()
    np.testing.assert_allclose(lines.table.values[4:, 1, 2:], [[-3.0, -4.0]] * 2)


def test_distant_lines_are_two_tracks():
    clones = [clone([8500.0]) if m < 3 else clone([8500.5]) for m in range(6)]  # 17 km/s apart
    assert len(associate(SPACE, NODES, clones, AssociateConfig(tolerance=3.0))) == 2


def test_each_line_belongs_to_exactly_one_track():
    rng = np.random.default_rng(0)
    base = np.sort(rng.uniform(8500, 8520, 60))
    clones = [clone(np.sort(base + rng.normal(0, 0.01, 60))[rng.random(60) < 0.9]) for _ in range(6)]
    lines = associate(SPACE, NODES, clones, AssociateConfig())
    for m, one in enumerate(clones):
        assert lines.present[m].sum() == len(one)
        centres = (lines.reference + lines.table.values[m, :, 0])[lines.present[m]]
        np.testing.assert_allclose(np.sort(centres), np.sort(one.centre))


def test_the_papers_matching_is_by_identical_centres_before_the_fit():
    clones = [clone([8500.013, 8503.0], found=[8500.01, 8503.01]) for _ in range(5)]
    clones.append(clone([8500.013], found=[8500.02]))
    lines = associate(SPACE, NODES, clones, AssociateConfig(method="paper"))
    assert len(lines) == 3
    assert lines.cut == -100
    missing = lines.table.values[5, ~lines.present[5]]
    np.testing.assert_allclose(missing[:, 1:], -1000)
    np.testing.assert_allclose((lines.reference + lines.table.values[5, :, 0])[~lines.present[5]], -1000)


def test_steps_between_counts_grid_steps():
    distance = steps_between(SPACE, NODES)
    assert distance[0, 1] == 1
    assert distance[0, 5] == 3
