"""What the modules of wrong parts share: for every check of the kit, a part on which it must fail."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from hml import (
    Component,
    ComponentConfig,
)
from hml.testing import (
    Suite,
)

COUNTER = itertools.count()


@dataclass(frozen=True)
class Fault:
    """A class of checks that must fail in `check`, with these `words`."""

    check: str
    words: str
    suite: type[Suite]

    def __str__(self) -> str:
        return f"{self.suite.subject()[0] or 'package'}-{self.check}-{self.words[:20]}"


def checks(kit: type, build: Any, config: type[ComponentConfig] = ComponentConfig, traits: Any = None,
           name: str = "wrong", summary: str = "deliberately wrong", **more: Any) -> type[Suite]:  # fmt: skip
    """The kit's class for a component that `build` builds."""
    component = Component(name, summary, config, build, traits=traits or {})
    return type("Wrong", (kit,), {"component": component, "__module__": __name__, **more})
