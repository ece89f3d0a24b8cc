"""The checks of a line profile."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from hml import FoundLines, LineProfile
from hml.testing.base import Checks
from hml.testing.suite import NotApplicable, expect

FOUND = FoundLines(
    centre=np.array([8500.0, 8503.0, 8510.0, 8520.0]), prominence=np.array([0.3, 0.02, 0.6, 0.05]),
    depth=np.array([0.4, 0.02, 0.7, 0.06]), fwhm=np.array([0.2, 0.05, 0.4, 0.11]),
)  # fmt: skip


class ProfileChecks(Checks[LineProfile]):
    """A line profile, at its own start values for lines of different depth and width."""

    family = "profiles"
    interface = LineProfile
    wild: ClassVar[float] = 20.0
    """How far from zero a fit may carry a parameter (other than ln_amplitude); values and gradients stay finite."""

    # --- what checks use

    def params(self, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """Parameters `[L, K]`: the start of each line, changed a little so that no two are alike."""
        start = torch.as_tensor(np.array(self.part.initial(FOUND)))
        noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        return (start + 0.1 * noise).to(dtype)

    def offset(self, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """Offsets from the centre `[L, C]`, Å: to six widths on both sides, none of them zero."""
        return torch.as_tensor(np.linspace(-6.1, 6.0, 24) * FOUND.fwhm[:, None]).to(dtype)

    def work(self) -> None:
        self.part.evaluate(self.offset(), self.params())

    # --- the checks

    def test_parameters_are_named(self) -> None:
        names = self.part.params
        expect(isinstance(names, tuple) and all(isinstance(n, str) and n.isidentifier() for n in names),
               f"params must be a tuple of names: {names!r}")
        expect(names and names[0] == "ln_amplitude", f"the first parameter must be ln_amplitude: {names}")
        expect(len(set(names)) == len(names), f"a parameter is named twice: {names}")

    def test_start_values_are_those_of_the_lines(self) -> None:
        start = np.asarray(self.part.initial(FOUND))
        wanted = (len(FOUND), len(self.part.params))
        expect(start.shape == wanted, f"initial gave {start.shape}, expected {wanted}")
        expect(np.isfinite(start).all(), "initial gave a value that is not finite")
        none = np.shape(self.part.initial(FoundLines.none()))
        expect(none == (0, wanted[1]), f"initial of no lines gave {none}, expected {(0, wanted[1])}")
        centre = torch.zeros(len(FOUND), 1, dtype=torch.float64)
        peak = self.part.evaluate(centre, torch.as_tensor(start))[:, 0].numpy()
        expect(((peak > FOUND.depth / 4) & (peak < FOUND.depth * 4)).all(),
               f"lines of depth {FOUND.depth} start with {peak}; an amplitude is no depth, is it an area?")

    def test_shape_and_precision_are_kept(self) -> None:
        for dtype in (torch.float64, torch.float32):
            out = self.part.evaluate(self.offset(dtype), self.params(dtype))
            expect((out.shape, out.dtype) == (self.offset().shape, dtype),
                   f"{tuple(out.shape)} {out.dtype}, expected {tuple(self.offset().shape)} {dtype}")

    def test_a_batch_is_its_members(self) -> None:
        offset, params = self.offset(), self.params()
        stack = torch.stack([params, params.flip(0)])
        whole = self.part.evaluate(offset.expand(2, *offset.shape), stack)
        for b in range(2):
            for line in range(len(offset)):
                for c in (0, 7, 23):
                    one = self.part.evaluate(offset[line : line + 1, c : c + 1], stack[b, line : line + 1])
                    expect(torch.allclose(one[0, 0], whole[b, line, c], rtol=1e-12, atol=0),
                           "a line alone differs from the same line among others")

    def test_it_is_proportional_to_its_amplitude(self) -> None:
        params, louder = self.params(), self.params()
        louder[:, 0] += np.log(3.0)
        one, three = (self.part.evaluate(self.offset(), p) for p in (params, louder))
        expect(torch.allclose(3 * one, three, rtol=1e-9), "it is not proportional to exp(ln_amplitude)")

    def test_it_falls_to_zero(self) -> None:
        width = torch.as_tensor(FOUND.fwhm)[:, None]
        steps = torch.tensor([0.0, -1e4, -1e3, -1e2, 1e2, 1e3, 1e4], dtype=torch.float64)
        line = self.part.evaluate(width * steps, self.params()).abs()
        expect((line[:, 2] <= line[:, 3]).all() and (line[:, 5] <= line[:, 4]).all(), "it rises away from the centre")
        expect((line[:, [1, 6]] < 1e-4 * line[:, :1]).all(), "it has not fallen to zero 10,000 widths from the centre")

    def test_gradients_are_those_of_finite_differences(self) -> None:
        offset, params = self.offset()[:, ::5].requires_grad_(), self.params().requires_grad_()
        torch.autograd.gradcheck(self.part.evaluate, (offset, params), eps=1e-6, atol=1e-5, rtol=1e-3)

    def test_far_parameters_give_finite_numbers(self) -> None:
        count = len(self.part.params)
        for sign in (1.0, -1.0):
            for k in range(1, count):
                params = self.params()[:1].clone()
                params[:, k] = sign * self.wild
                params.requires_grad_()
                offset = torch.tensor([[0.0, 0.1, -30.0]], dtype=torch.float64, requires_grad=True)
                value = self.part.evaluate(offset, params)
                slopes = torch.autograd.grad(value.sum(), (offset, params))
                expect(all(torch.isfinite(t).all() for t in (value, *slopes)),
                       f"{self.part.params[k]} = {sign * self.wild:g}: values or gradients are not finite")

    def test_a_mixture_is_the_same_profile(self) -> None:
        params, offset = self.params(), self.offset()
        mixture = self.part.mixture(params)
        if mixture is None:
            raise NotApplicable("the profile is no sum of a Lorentzian and a Gaussian")
        expect(mixture.shape == (len(params), 4), f"mixture gave {tuple(mixture.shape)}, expected {(len(params), 4)}")
        s, g, a, p = mixture[..., None].unbind(-2)
        expect(((p > 0) | (a == 0)).all(), "mixture: p is not above zero")
        sum_ = s / (offset**2 + g) + a * torch.exp(-p * offset**2)
        expect(torch.allclose(sum_, self.part.evaluate(offset, params), rtol=1e-6, atol=1e-12),
               "mixture and evaluate are different profiles")
