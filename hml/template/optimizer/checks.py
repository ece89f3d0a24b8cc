"""How the optimizer is checked: by `pytest`, and by `hml check-plugin`."""

from hml.testing import OptimizerChecks, PluginChecks


class TestPlugin(PluginChecks):
    """The package."""

    package = "hml-example"


class TestExample(OptimizerChecks):
    """The optimizer, on functions whose minimum is known."""

    name = "example"
    budget = 2000

    def test_every_round_is_reported(self) -> None:
        """A test of your own, beside those that every optimizer must pass."""
        _, _, steps = self.in_bowl()
        assert [step.evaluations for step in steps] == list(range(200, 2001, 200))
