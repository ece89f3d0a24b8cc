"""How the sampler is checked: by `pytest`, and by `hml check-plugin`."""

from hml.testing import PluginChecks, SamplerChecks


class TestPlugin(PluginChecks):
    """The package."""

    package = "hml-example"


class TestExample(SamplerChecks):
    """The sampler, on a distribution whose moments are known."""

    name = "example"

    def test_weights_follow_the_probability(self) -> None:
        """A test of your own, beside those that every sampler must pass."""
        found, _, _ = self.drawn()
        assert found.weights is not None
        assert found.weights.argmax() == found.log_probability.argmax()
