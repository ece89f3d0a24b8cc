"""The generator against its analytic truth; windows, batches, files, domain, gradients."""

import numpy as np
import pytest
import torch
from toy import BAND, line_values, make

from hml.core.errors import ArtefactError, LabelError, SpectrumError
from hml.core.generator import Generator, doppler
from hml.core.store import SCHEMA, read_arrays, write_arrays

HERE = {"teff": 5444.0, "logg": 4.6}


def test_lines_between_nodes_are_those_of_the_truth():
    generator = make("cubic")
    lines = generator.lines(HERE)
    truth = line_values(np.array([[5444.0, 4.6]]))[0]
    np.testing.assert_allclose(lines.centre[0] - generator.reference, truth[:, 0], atol=1e-4)
    np.testing.assert_allclose(lines.params[0], truth[:, 1:], atol=2e-3)


@pytest.mark.parametrize("composition", ["opacity", "product", "sum"])
def test_batch_equals_single_and_window_equals_whole(composition):
    generator = make(composition=composition)
    points = np.array([[5100.0, 4.1], [5444.0, 4.6], [5800.0, 4.75]])
    batch = generator(points)
    assert batch.shape == (3, len(generator.wavelength))
    for b in range(3):
        torch.testing.assert_close(batch[b], generator(points[b])[0], atol=2e-6, rtol=0)
    generator = make(composition=composition, generator={"tolerance": 1e-5})
    part, batch = generator.window_on(8510, 8515), generator(points)
    assert len(part) < len(generator)
    inside = (generator.wavelength >= 8510) & (generator.wavelength <= 8515 + 1e-9)
    # lines outside are left out where their wings have fallen below the tolerance
    assert (part(points) - batch[:, inside]).abs().max() < 40 * 1e-5


@pytest.mark.parametrize("labels", [{"teff": 4999.0, "logg": 4.5}, {"teff": 5400.0, "logg": 4.76},
                                    {"teff": float("nan"), "logg": 4.5}])
def test_outside_the_grid_nothing_is_extrapolated(labels):
    with pytest.raises(LabelError, match="outside the grid, which holds"):
        make().spectrum(labels)


def test_a_missing_or_unknown_label_is_named():
    with pytest.raises(LabelError, match="logg is missing"):
        make().spectrum({"teff": 5400.0})
    with pytest.raises(LabelError, match="unknown label vsini"):
        make().spectrum({**HERE, "vsini": 3.0})


@pytest.mark.parametrize("interpolator", ["linear", "cubic"])
def test_gradients_to_labels_equal_finite_differences(interpolator):
    generator = make({"name": interpolator, "storage": "float64"})
    point = torch.tensor([[5444.0, 4.6]], dtype=torch.float64, requires_grad=True)
    weights = torch.as_tensor(np.random.default_rng(0).normal(size=len(generator.wavelength)))
    (gradient,) = torch.autograd.grad((generator(point, dtype=torch.float64)[0] * weights).sum(), point)
    for p, step in enumerate((0.05, 1e-4)):
        move = torch.zeros(1, 2, dtype=torch.float64)
        move[0, p] = step
        up, down = ((generator(point.detach() + s * move, dtype=torch.float64)[0] * weights).sum() for s in (1, -1))
        assert float(gradient[0, p]) == pytest.approx(float((up - down) / (2 * step)), rel=1e-4)


def test_velocity_shifts_lines_as_doppler_says():
    generator = make()
    velocity = torch.tensor([73.0], dtype=torch.float64)
    factor = float(doppler(velocity))
    wavelength = torch.arange(8510, 8520, 0.02, dtype=torch.float64)
    # a pixel on the edge of a window may fall on its other side: the tolerance of one cut wing
    shifted = generator(HERE, wavelength * factor, velocity, torch.float64)
    torch.testing.assert_close(shifted, generator(HERE, wavelength, dtype=torch.float64), atol=1e-5, rtol=0)
    assert factor == pytest.approx(1 + 73 / 299792.458, rel=1e-7)


def test_absolute_flux_restores_what_was_divided_out():
    generator = make()
    normal, absolute = generator.spectrum(HERE), generator.spectrum(HERE, absolute=True)
    x = (2 * normal.wavelength - normal.band[0] - normal.band[1]) / (normal.band[1] - normal.band[0])
    expected = normal.flux * np.exp(np.log(1 + 1e-4 * 44) + 0.01 * x)
    np.testing.assert_allclose(absolute.flux, expected, rtol=1e-6)
    np.testing.assert_allclose(absolute.flux, normal.restore().flux)
    assert absolute.unit == "erg / (s cm3)"
    assert absolute.divided is None


def test_a_window_of_a_spectrum():
    part = make().spectrum(HERE, low=8510, high=8512)
    assert BAND[0] < part.band[0] < part.band[1] <= 8512 + 1e-9
    for low, high in ((9000, 9001), (8499, 8510), (8520, 8510)):
        with pytest.raises(SpectrumError, match="the generator covers"):
            make().spectrum(HERE, low=low, high=high)
    assert make().window_on(8510, 8512).spectrum(HERE).starts == (0,)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    generator, path = make(), tmp_path / "g.safetensors"
    generator.save(path)
    loaded = Generator.load(path)
    assert torch.equal(loaded(HERE), generator(HERE))
    absolute = generator.spectrum(HERE, absolute=True).flux
    np.testing.assert_array_equal(loaded.spectrum(HERE, absolute=True).flux, absolute)
    assert loaded.space == generator.space


def test_a_file_of_another_schema_or_without_its_arrays(tmp_path):
    path = tmp_path / "g.safetensors"
    make().save(path)
    arrays, header = read_arrays(path, "generator")
    del arrays["reference"]
    write_arrays(path, "generator", arrays, header)
    with pytest.raises(ArtefactError, match="build it again"):
        Generator.load(path)
    write_arrays(path, "generator", arrays, {**header, "schema": SCHEMA + 1})
    with pytest.raises(ArtefactError, match="schema"):
        Generator.load(path)
