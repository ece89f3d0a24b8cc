"""How the preprocessor is checked: by `pytest`, and by `hml check-plugin`."""

import numpy as np

from hml.testing import PluginChecks, PreprocessorChecks


class TestPlugin(PluginChecks):
    """The package."""

    package = "hml-example"


class TestExample(PreprocessorChecks):
    """The step, on the spectrum of a toy star."""

    name = "example"

    def test_the_percentile_becomes_one(self) -> None:
        """A test of your own, beside those that every preprocessor must pass."""
        for order in self.done().order_slices():
            assert np.isclose(np.percentile(self.done().flux[order], 95), 1.0)
