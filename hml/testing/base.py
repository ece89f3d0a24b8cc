"""What the checks of all families share: one part, built from its component."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, final

from pydantic import ValidationError

from hml import BuildContext, Component, ComponentConfig, ConfigError, GridConfig, installed
from hml.testing.suite import Suite, expect
from hml.testing.writes import written

Part = TypeVar("Part")

TRAITS = {
    "grids": ("truth", "fetches", "ragged"),
    "preprocessors": ("needs_labels",),
    "profiles": (),
    "interpolators": ("requires_rectilinear", "differentiable"),
    "readers": ("suffixes", "instrument"),
    "optimizers": ("needs_gradient",),
    "samplers": ("evidence",),
}


class Checks(Suite, Generic[Part]):
    """The checks of one part. Subclass the class of its family, say which component and, where the defaults do not do,
    with which fields:

        class TestGaussians(GridChecks):
            name = "gaussians"
            fields = {"lines": 3}
    """

    family: ClassVar[str] = ""
    interface: ClassVar[type[Any]] = object
    name: ClassVar[str] = ""
    """Of the component, among those installed."""
    component: ClassVar[Component | None] = None
    """The component itself, for one that is not installed."""
    fields: ClassVar[Mapping[str, Any]] = {}
    """Of its config. Where files must be made first, replace `configure`."""

    _fields: ClassVar[Mapping[str, Any]]

    # --- what a subclass may replace

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        """The config's fields. `folder` is empty and belongs to these checks: files may be written there."""
        return cls.fields

    # --- what checks use

    @classmethod
    def prepare(cls) -> None:
        """The fields, and files if there are some."""
        (cls._folder / "files").mkdir()
        cls._fields = cls.configure(cls._folder / "files")
        try:
            cls.config()
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ConfigError(
                f"its fields do not do: {problems}; give them by `fields` or `configure` of its class of checks, or by "
                f"hml check-plugin --set {cls.chosen().name}.field=value"
            ) from None

    @classmethod
    def subject(cls) -> tuple[str, str]:
        return cls.family, cls.component.name if cls.component else cls.name

    @classmethod
    def chosen(cls) -> Component:
        """What is checked."""
        return cls.component or installed().get(cls.family, cls.name)

    @classmethod
    @final
    def config(cls, changes: Mapping[str, Any] | None = None) -> ComponentConfig:
        """The validated config, with some fields changed."""
        return cls.chosen().config.model_validate({**cls._fields, **(changes or {})})

    @classmethod
    @final
    def build(cls, changes: Mapping[str, Any] | None = None, seed: int = 0) -> Part:
        """A new part, with some fields changed."""
        context = BuildContext(cache=cls._folder / "cache", seed=seed)
        part: Part = cls.chosen().build(cls.config(changes), context)
        return part

    @property
    @final
    def part(self) -> Part:
        """The part, built once for all checks of the class."""
        if "part" not in self._kept:
            self._kept["part"] = self.build()
        part: Part = self._kept["part"]
        return part

    @classmethod
    def trait(cls, name: str, default: Any = False) -> Any:
        """One of the component's traits."""
        return cls.chosen().traits.get(name, default)

    def work(self) -> None:
        """What the part is for, done once; `test_nothing_is_written_elsewhere` looks at what it writes."""
        raise NotImplementedError

    # --- the checks of every family

    def test_it_is_what_its_family_says(self) -> None:
        wanted = self.interface
        expect(isinstance(self.part, wanted), f"build gave {type(self.part).__name__}, which is no {wanted.__name__}")

    def test_its_config_is_described_frozen_and_strict(self) -> None:
        config = self.chosen().config
        for name, field in config.model_fields.items():
            described = field.description or name in GridConfig.model_fields
            expect(described, f"field {name!r} of {config.__name__} has no description: Field(…, description=…)")
        expect(config.model_config.get("extra") == "forbid", f"{config.__name__} takes unknown fields")
        expect(config.model_config.get("frozen"), f"{config.__name__} is not frozen")

    def test_it_says_what_it_is(self) -> None:
        component = self.chosen()
        expect(component.name.isidentifier() and component.name == component.name.lower(),
               f"{component.name!r} is no name of small letters, digits and _ that can stand in a config")
        expect(component.summary.strip() and "\n" not in component.summary, "the summary must be one line")
        unknown = set(component.traits) - set(TRAITS[self.family])
        expect(not unknown, f"{self.family} have no trait {', '.join(sorted(unknown))}; theirs: {TRAITS[self.family]}")

    def test_nothing_is_written_elsewhere(self) -> None:
        with written() as paths:
            self._kept.pop("part", None)
            self.work()
        beyond = [path for path in paths if not path.is_relative_to(self._folder / "cache")]
        expect(not beyond, f"written outside of the cache it was given: {', '.join(map(str, beyond[:3]))}")
