"""What makes a set of checks honest: none is replaced, none is left out without a reason."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, final
from unittest import SkipTest

KIT = "hml.testing."
REASON = 10  # characters that a reason for leaving a check out has, at least


class NotApplicable(SkipTest):
    """A check that has nothing to look at; the text says why."""


def expect(holds: object, text: str) -> None:
    """AssertionError with `text`, which says what is wrong and what the contract is."""
    if not holds:
        raise AssertionError(text)


class Suite:
    """Checks: every method `test_…`. A subclass may add its own, but not replace those of the kit (TypeError); one that
    cannot hold is left out by its name, with a reason, in `skips`. pytest runs subclasses whose name begins with Test;
    `hml.testing.run_checks` runs them without pytest."""

    skips: ClassVar[Mapping[str, str]] = {}
    """Check → why it is left out."""

    _folder: ClassVar[Path]
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

    @classmethod
    def subject(cls) -> tuple[str, str]:
        """What is checked: its kind and its name."""
        return "", cls.__name__

    @classmethod
    def prepare(cls) -> None:
        """What is made before the first check."""

    @classmethod
    @final
    def setup_class(cls) -> None:
        """Before the first check."""
        cls._folder = Path(tempfile.mkdtemp(prefix="hml-checks-")).resolve()
        cls._kept = {}
        cls.prepare()

    @classmethod
    @final
    def teardown_class(cls) -> None:
        """After the last one."""
        shutil.rmtree(cls._folder, ignore_errors=True)

    @final
    def setup_method(self, method: Callable[..., Any]) -> None:
        """Before each check."""
        for other in replaced(type(self)):
            raise AssertionError(f"the check {other} was replaced after {type(self).__name__} was made")
        if method.__name__ in self.skips:
            raise SkipTest(self.skips[method.__name__])


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
