"""The pytest plugin: counts the kit's checks, wants reasons, and tells at the end what ran. In a `conftest.py`:

    pytest_plugins = ["hml.testing.plugin"]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hml.testing.suite import REASON, Suite, checks_of

if TYPE_CHECKING:
    from hml import BuildContext
    from hml.testing.toy import ToyGrid

KEY = "hml.testing"
MARKS = ("skip", "skipif", "xfail")


@pytest.fixture
def hml_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own: nothing that it stores or fetches goes to the user's folders."""
    home = tmp_path_factory.mktemp("hml_home")
    monkeypatch.setenv("HML_HOME", str(home))
    return home


@pytest.fixture
def build_context(hml_home: Path) -> BuildContext:
    """What a component is built with."""
    from hml import BuildContext

    return BuildContext(cache=hml_home / "cache")


@pytest.fixture
def toy_grid() -> ToyGrid:
    """A small grid whose line parameters are known at any label."""
    from hml.testing.toy import ToyGrid

    return ToyGrid()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Marks the kit's checks, so that reports of other processes tell them too."""
    suite = getattr(item, "cls", None)
    if not (isinstance(suite, type) and issubclass(suite, Suite)):
        return
    check = getattr(item, "originalname", item.name)
    known = checks_of(suite)
    if check not in known:
        return
    marks = [mark for name in MARKS for mark in item.iter_markers(name)]
    by_author = check in suite.skips or bool(marks)
    item.user_properties.append((KEY, [suite.__name__, " ".join(suite.subject()), len(known), by_author]))
    for mark in marks:
        reason = mark.kwargs.get("reason") or (mark.args[0] if mark.name == "skip" and mark.args else "")
        if len(str(reason).strip()) < REASON:
            pytest.fail(f"{suite.__name__}: {check} is marked {mark.name} without a reason; write one", pytrace=False)


@dataclass
class Tally:
    """What came of the checks of one class."""

    subject: str
    known: int
    ran: int = 0
    failed: int = 0
    left_out: list[str] = field(default_factory=list)
    not_applicable: int = 0

    def told(self) -> str:
        """One line."""
        missing = self.known - self.ran - len(self.left_out) - self.not_applicable
        parts = [f"{self.ran} of {self.known} checks ran"]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.not_applicable} do not apply"] if self.not_applicable else []
        parts += [f"{missing} were not asked for"] if missing else []
        parts += [f"left out: {reason}" for reason in self.left_out]
        return "; ".join(parts)


def tallies(stats: dict[str, list[Any]]) -> dict[str, Tally]:
    """Class → what came of its checks, from pytest's reports."""
    found: dict[str, Tally] = {}
    for outcome, report, value in _marked(stats):
        name, subject, known, by_author = value
        tally = found.setdefault(name, Tally(subject, known))
        if outcome in {"skipped", "xfailed"} and by_author:
            tally.left_out.append(_reason(report))
        elif outcome == "skipped":
            tally.not_applicable += 1
        else:
            tally.ran += 1
            tally.failed += outcome != "passed"
    return found


def _marked(stats: dict[str, list[Any]]) -> Iterator[tuple[str, Any, Any]]:
    for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        for report in stats.get(outcome, []):
            for key, value in getattr(report, "user_properties", []):
                if key == KEY and (report.when != "teardown"):
                    yield outcome, report, value


def _reason(report: Any) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
    return str(text).removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many checks of each part ran, and why others did not."""
    found = tallies(terminalreporter.stats)
    if found:
        terminalreporter.write_sep("=", "hml checks")
        for name, tally in sorted(found.items()):
            terminalreporter.write_line(f"{name} ({tally.subject}): {tally.told()}")
