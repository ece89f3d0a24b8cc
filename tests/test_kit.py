"""The conformance kit is seen to fail: for every check there is a part on which it must."""

from __future__ import annotations

import re

import pytest
from wrong import Fault
from wrong_grids import GRIDS, Calcium, grid
from wrong_manifolds import INTERPOLATORS
from wrong_optimizers import OPTIMIZERS
from wrong_profiles import PROFILES
from wrong_readers import READERS
from wrong_samplers import SAMPLERS
from wrong_steps import PREPROCESSORS

from hml.testing import Checks
from hml.testing.run import FAMILIES, Outcome, run_check
from hml.testing.suite import checks_of

FAULTS = [*GRIDS, *INTERPOLATORS, *PROFILES, *PREPROCESSORS, *OPTIMIZERS, *SAMPLERS, *READERS]


def outcome(fault: Fault) -> Outcome:
    fault.suite.setup_class()
    try:
        return run_check(fault.suite, fault.check)
    finally:
        fault.suite.teardown_class()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_check_fails_on_a_wrong_part(fault: Fault) -> None:
    found = outcome(fault)
    assert (found.status, found.check) == ("failed", fault.check), found
    assert re.search(fault.words, found.text), found.text


def test_vacuum_wavelengths_are_known_by_a_line() -> None:
    """The control of two of the faults above: the same grid with its line where it is in vacuum."""
    right = grid("test_wavelengths_are_vacuum", "", Calcium, more={"known_lines": (8544.44,)})
    assert outcome(right).status == "passed"


def test_every_check_has_a_part_on_which_it_fails() -> None:
    common = set(checks_of(Checks))
    seen = {(fault.suite.subject()[0], fault.check) for fault in FAULTS}
    assert {check for _, check in seen} >= common
    for family, kit in FAMILIES.items():
        assert set(checks_of(kit)) - common == {check for name, check in seen if name == family} - common
