"""What all checks share: one part, built from its component; reasons for what is left out; no check is replaced."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, final
from unittest import SkipTest

from hml import BuildContext, Component, ComponentConfig, installed
from hml.testing.writes import written

Part = TypeVar("Part")
KIT = "hml.testing."
REASON = 10  # characters that a reason for leaving a check out has, at least


class NotApplicable(SkipTest):
    """A check that has nothing to look at in this part; the text says why."""


def expect(holds: object, text: str) -> None:
    """AssertionError with `text`, which says what is wrong and what the contract is."""
    if not holds:
        raise AssertionError(text)


class Checks(Generic[Part]):
    """The checks of one part. Subclass the class of its family, say which component and, where the defaults do not do,
    with which fields:

        class TestGaussians(GridChecks):
            name = "gaussians"
            fields = {"lines": 3}

    Every method `test_…` is a check. A subclass may add its own, but not replace those of the kit (TypeError); one that
    cannot hold is left out by its name, with a reason, in `skips`.
    """

    family: ClassVar[str] = ""
    interface: ClassVar[type[Any]] = object
    name: ClassVar[str] = ""
    """Of the component, among those installed."""
    component: ClassVar[Component | None] = None
    """The component itself, for one that is not installed."""
    fields: ClassVar[Mapping[str, Any]] = {}
    """Of its config. Where files must be made first, replace `configure`."""
    skips: ClassVar[Mapping[str, str]] = {}
    """Check → why it is left out."""

    _folder: ClassVar[Path]
    _fields: ClassVar[Mapping[str, Any]]
    _kept: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if cls.__module__.startswith(KIT):
            return
        known = checks_of(cls)
        for name in replaced(cls):
            raise TypeError(f"{cls.__name__} replaces the check {name}; leave it out by skips = {{{name!r}: 'why'}}")
        for name, reason in cls.skips.items():
            if name not in known:
                raise TypeError(f"{cls.__name__}.skips names {name!r}; the checks are {', '.join(known)}")
            if not isinstance(reason, str) or len(reason.strip()) < REASON:
                raise TypeError(f"{cls.__name__}.skips: {name} is left out without a reason; write one")

    # --- what a subclass may replace

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        """The config's fields. `folder` is empty and belongs to these checks: files may be written there."""
        return cls.fields

    # --- what checks use

    @classmethod
    def prepare(cls) -> None:
        """What is made before the first check."""

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

    @classmethod
    @final
    def setup_class(cls) -> None:
        """Before the first check."""
        cls._folder = Path(tempfile.mkdtemp(prefix="hml-checks-")).resolve()
        (cls._folder / "files").mkdir()
        cls._kept = {}
        cls._fields = cls.configure(cls._folder / "files")
        cls.prepare()

    @classmethod
    @final
    def teardown_class(cls) -> None:
        """After the last one."""
        shutil.rmtree(cls._folder, ignore_errors=True)

    @final
    def setup_method(self, method: Any) -> None:
        """Before each check."""
        name = method.__name__
        if name in self.skips:
            raise SkipTest(self.skips[name])
        for other in replaced(type(self)):
            raise AssertionError(f"the check {other} was replaced after {type(self).__name__} was made")

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
            described = field.description or name in _common()
            expect(described, f"field {name!r} of {config.__name__} has no description: Field(…, description=…)")
        expect(config.model_config.get("extra") == "forbid", f"{config.__name__} takes unknown fields")
        expect(config.model_config.get("frozen"), f"{config.__name__} is not frozen")

    def test_it_says_what_it_is(self) -> None:
        component = self.chosen()
        expect(component.name.isidentifier() and component.name == component.name.lower(),
               f"{component.name!r} is no name of small letters, digits and _ that can stand in a config")
        expect(component.summary.strip() and "\n" not in component.summary, "the summary must be one line")
        unknown = set(component.traits) - set(TRAITS[self.family])
        expect(not unknown, f"no {self.family[:-1]} has a trait {', '.join(sorted(unknown))}: {TRAITS[self.family]}")

    def test_nothing_is_written_elsewhere(self) -> None:
        with written() as paths:
            self._kept.pop("part", None)
            self.work()
        beyond = [path for path in paths if not path.is_relative_to(self._folder / "cache")]
        expect(not beyond, f"written outside of the cache it was given: {', '.join(map(str, beyond[:3]))}")


TRAITS = {
    "grids": ("truth", "fetches", "ragged"),
    "preprocessors": ("needs_labels",),
    "profiles": (),
    "interpolators": ("requires_rectilinear", "differentiable"),
    "readers": ("suffixes", "instrument"),
    "optimizers": ("needs_gradient",),
    "samplers": ("evidence",),
}


def _common() -> frozenset[str]:
    from hml import GridConfig

    return frozenset(GridConfig.model_fields)


def checks_of(cls: type[Any]) -> dict[str, Any]:
    """The kit's checks for a class: name → function, those of every family first."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith(KIT):
            found |= {name: value for name, value in vars(base).items() if name.startswith("test_")}
    return found


def replaced(cls: type[Any]) -> list[str]:
    """The kit's checks that a class does not have as the kit has them."""
    return [name for name, function in checks_of(cls).items() if getattr(cls, name, None) is not function]
