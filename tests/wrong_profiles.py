"""Profiles with one fault each, and the check that must find it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from wrong import Fault, checks

from hml.template.profile.profile import ExampleProfile
from hml.testing import (
    ProfileChecks,
)


def profile(check: str, words: str, **members: Any) -> Fault:
    made = type("WrongProfile", (ExampleProfile,), members)
    return Fault(check, words, checks(ProfileChecks, lambda config, context: made()))


def evaluate(change: Any) -> Any:
    """The right values `out` at `offset`, changed."""
    return lambda self, x, params: change(x, params, ExampleProfile.evaluate(self, x, params))


PROFILES = [
    profile("test_parameters_are_named", "first parameter", params=("ln_sigma", "ln_amplitude")),
    profile("test_start_values_are_those_of_the_lines", "is it an area",
            initial=lambda self, found: ExampleProfile.initial(self, found) + 3),
    profile("test_start_values_are_those_of_the_lines", "expected",
            initial=lambda self, found: np.zeros((len(found), 3))),
    profile("test_shape_and_precision_are_kept", "float64, expected",
            evaluate=evaluate(lambda x, p, out: out.double())),
    profile("test_a_batch_is_its_members", "alone differs",
            evaluate=evaluate(lambda x, p, out: out / out.detach().max())),
    profile("test_it_is_proportional_to_its_amplitude", "not proportional",
            evaluate=evaluate(lambda x, p, out: out**2)),
    profile("test_it_falls_to_zero", "not fallen", evaluate=evaluate(lambda x, p, out: out + 0.01)),
    profile("test_it_falls_to_zero", "rises", evaluate=evaluate(lambda x, p, out: out + 1e-6 * x.abs())),
    profile("test_gradients_are_those_of_finite_differences", "Jacobian",
            evaluate=evaluate(lambda x, p, out: 0.9 * out + 0.1 * out.detach())),
    profile("test_far_parameters_give_finite_numbers", "not finite",
            evaluate=evaluate(lambda x, p, out: out + 0 * torch.exp(torch.exp(p[..., 1:2])))),
    profile("test_a_mixture_is_the_same_profile", "different profiles",
            mixture=lambda self, p: ExampleProfile.mixture(self, p) * torch.tensor([1, 1, 1, 1.01])),
]  # fmt: skip
