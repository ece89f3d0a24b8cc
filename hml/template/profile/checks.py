"""How the profile is checked: by `pytest`, and by `hml check-plugin`."""

import numpy as np
import torch

from hml.testing import PluginChecks, ProfileChecks


class TestPlugin(PluginChecks):
    """The package."""

    package = "hml-example"


class TestExample(ProfileChecks):
    """The profile, at its own start values."""

    name = "example"

    def test_its_height_is_its_amplitude(self) -> None:
        """A test of your own, beside those that every profile must pass."""
        params = torch.tensor([[np.log(0.4), -2.0]], dtype=torch.float64)
        assert np.isclose(self.part.evaluate(torch.zeros(1, 1, dtype=torch.float64), params).item(), 0.4)
