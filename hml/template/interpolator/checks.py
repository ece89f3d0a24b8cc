"""How the interpolator is checked: by `pytest`, and by `hml check-plugin`."""

import torch

from hml.testing import InterpolatorChecks, PluginChecks


class TestPlugin(PluginChecks):
    """The package."""

    package = "hml-example"


class TestExample(InterpolatorChecks):
    """The interpolator, on the kit's tables."""

    name = "example"
    between = 0.5  # of the spread: a weighted mean is a poor interpolator

    def test_it_stays_within_the_nodes(self) -> None:
        """A test of your own, beside those that every interpolator must pass."""
        grid, manifold = self.fitted("two axes")
        values, known = manifold(torch.tensor([[4870.0, 4.7]], dtype=torch.float64))[0].numpy(), grid.table().values
        assert ((values >= known.min(0) - 1e-12) & (values <= known.max(0) + 1e-12)).all()
