"""Pictures of generators with any axes: what is drawn is what the generator says, and every picture is one."""

import io

import numpy as np
import pytest
from any_grid import any_generator
from matplotlib.image import imread

from hml import HmlError
from hml.core import figures
from hml.core.figures.canvas import edges
from hml.core.figures.counts import _mean
from hml.core.figures.manifold import Line
from hml.core.figures.place import are_nodes, axes_over, finer, nearest_node, point, product
from hml.core.figures.profile import _beside
from hml.core.space import LIGHT
from hml.core.speed import measure_speed

STAR = {"teff": [5000.0, 5200.0, 5600.0], "logg": [4.0, 4.5], "feh": [-0.5, 0.0, 0.25]}
PLANET = {"t": [200.0, 300.0, 500.0, 900.0], "kzz": [2.0], "co": [0.5, 1.0], "fsed": [1.0, 2.0, 4.0, 8.0, 16.0],
          "mh": [0.0, 1.0]}  # fmt: skip
GRIDS = {"planet": (PLANET, [(300.0, 2.0, 0.5, 4.0, 0.0)]), "one axis": ({"age": [1.0, 2.0, 5.0]}, [])}
ONE = ("ln_amplitude",)


def pixels(png):
    image = imread(io.BytesIO(png))
    assert image.shape[0] > 200, "too small to read"
    assert image.shape[1] > 400
    assert len(np.unique(image.reshape(-1, image.shape[-1]), axis=0)) > 20, "an empty picture"
    return image


@pytest.fixture(params=GRIDS)
def generator(request):
    axes, holes = GRIDS[request.param]
    return any_generator(axes, holes)


def test_every_picture_of_every_grid(generator):
    pixels(figures.line_counts(generator))
    pixels(figures.manifold(generator, 2, params=("ln_amplitude", "ln_sigma")))
    pixels(figures.neighbours(generator, 2))
    pixels(figures.timing(measure_speed(generator, (1, 2), 0.001)))


def test_over_one_axis_or_two_named_ones():
    generator = any_generator(STAR)
    one = figures.manifold(generator, 0, over=["feh"], params=ONE)
    two = figures.manifold(generator, 0, over=["feh", "logg"], labels={"teff": 5300.0}, params=ONE)
    assert pixels(one).shape != pixels(two).shape
    assert figures.manifold(generator, 0, over=["feh", "logg"], labels={"teff": 5000.0}, params=ONE) != two
    pixels(figures.neighbours(generator, 0, along="feh"))


@pytest.mark.parametrize(("over", "labels", "words"), [
    (["mass"], {}, "no label 'mass'"), (["teff", "teff"], {}, "one label, or two"), ([], {}, "one label"),
    (["teff", "logg", "feh"], {}, "one label, or two"), (["teff"], {"logg": 9.0}, "outside the grid"),
    (["teff"], {"mass": 1.0}, "unknown label mass"),
])  # fmt: skip
def test_what_cannot_be_drawn_over(over, labels, words):
    with pytest.raises(HmlError, match=words):
        figures.manifold(any_generator(STAR), 0, over=over, labels=labels)


def test_a_single_node_has_nothing_to_draw_over():
    generator = any_generator({"teff": [5000.0], "logg": [4.0]})
    for draw in (figures.manifold, figures.neighbours):
        with pytest.raises(HmlError, match="single node"):
            draw(generator, 0)
    with pytest.raises(HmlError, match="kzz has one value only"):
        figures.manifold(any_generator(PLANET), 0, over=["kzz"])
    pixels(figures.line_counts(generator))


def test_the_longest_axes_are_drawn_over_in_the_order_of_the_space():
    space = any_generator(PLANET).space
    assert [space.names[p] for p in axes_over(space, None, 2)] == ["t", "fsed"]
    assert [space.names[p] for p in axes_over(space, None, 1)] == ["fsed"]
    assert axes_over(space, ["mh", "t"], 2) == [4, 0]


def test_places():
    space = any_generator(STAR).space
    np.testing.assert_array_equal(point(space, {"logg": 4.2}), [5200, 4.2, 0])
    np.testing.assert_array_equal(nearest_node(space, np.array([5450.0, 4.2, 0.2])), [5600, 4.0, 0.25])
    fine = finer(space, 0)
    assert (fine[0], fine[-1]) == (5000, 5600)
    assert len(fine) > 20
    points = product(np.array([0.0, 4.2, 0.0]), [2, 0], [np.array([-0.5, 0.0]), np.array([5000.0, 5200.0, 5600.0])])
    assert points.shape == (6, 3)
    np.testing.assert_array_equal(points[:4], [[5000, 4.2, -0.5], [5200, 4.2, -0.5], [5600, 4.2, -0.5], [5000, 4.2, 0]])
    assert list(are_nodes(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[2.0, 1.0], [3.0, 1.0]]))) == [False, True]


@pytest.mark.parametrize(("value", "nodes"), [(5000, (5000, 5200)), (5100, (5000, 5200)), (5200, (5200, 5600)),
                                              (5600, (5200, 5600))])  # fmt: skip
def test_the_two_nodes_beside_a_value(value, nodes):
    assert _beside(any_generator(STAR).space.axes[0], value) == nodes


def test_what_is_drawn_of_a_line_is_its_manifold():
    generator = any_generator(STAR)
    labels = np.array([[5000.0, 4.0, -0.5], [5600.0, 4.5, 0.25]])  # the corners: base and base + all slopes
    values = Line.of(generator, 3).values(labels)
    base, slope = generator.manifold.base[3].numpy(), generator.manifold.slope[:, 3].sum(0).numpy()
    truth = np.stack([base, base + slope])
    np.testing.assert_allclose(values["ln_amplitude"], truth[:, 1])
    np.testing.assert_allclose(values["ln_sigma"], 1e3 * np.exp(truth[:, 2]))
    np.testing.assert_allclose(values["ln_gamma"], 1e3 * np.exp(truth[:, 3]))
    np.testing.assert_allclose(values["shift"], truth[:, 0] / float(generator.reference[3]) * LIGHT, rtol=1e-6)


def test_a_line_that_has_ended_is_not_drawn():
    generator = any_generator(STAR, cut=-100.0)
    generator.manifold.slope[0, 1, 1] = -1000.0
    values = Line.of(generator, 1).values(np.array([[5000.0, 4.0, 0.0], [5600.0, 4.0, 0.0]]))
    assert np.isfinite(values["shift"]).tolist() == [True, False]
    pixels(figures.manifold(generator, 1, params=ONE))
    pixels(figures.neighbours(generator, 1))


def test_counts_are_means_and_holes_are_none():
    xs, ys = np.array([1.0, 2.0]), np.array([5.0, 6.0])
    mean = _mean(xs, ys, np.array([1.0, 1.0, 2.0, 2.0]), np.array([5.0, 6.0, 6.0, 6.0]), np.array([3.0, 4.0, 5.0, 8.0]))
    np.testing.assert_array_equal(mean, [[3, np.nan], [4, 6.5]])


def test_cells_meet_between_nodes():
    np.testing.assert_array_equal(edges(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])
    np.testing.assert_array_equal(edges(np.array([3.0])), [2.5, 3.5])


def test_lines_alone_beside_all():
    generator, labels = any_generator(STAR), {"teff": 5100.0, "logg": 4.1, "feh": 0.0}
    pixels(figures.alone(generator.spectrum(labels), generator.only(np.array([1, 4])).spectrum(labels), "two lines"))


def test_speed_counts_per_spectrum():
    speed = measure_speed(any_generator(STAR), (1, 8), 0.001)
    assert speed.batches == (1, 8)
    assert (speed.tracks, speed.pixels) == (6, 500)
    assert (speed.spectrum > speed.look_up).all()
    assert (speed.look_up > 0).all()
