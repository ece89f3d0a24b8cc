"""R-hat and effective sizes: against arviz, and against chains whose autocorrelation is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hml.core.chains import effective_size, rhat


def chains(count, draws, memory=0.0, apart=0.0, seed=0):
    """Autoregressive chains `[C, D]` of unit variance: each draw holds `memory` of the one before; means `apart`."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((draws, count))
    for i in range(1, draws):
        noise[i] = memory * noise[i - 1] + np.sqrt(1 - memory**2) * noise[i]
    return noise.T + apart * np.arange(count)[:, None]


@given(count=st.integers(1, 6), draws=st.integers(8, 120), memory=st.floats(0, 0.9), apart=st.floats(0, 1),
       seed=st.integers(0, 99))
def test_both_are_those_of_arviz(count, draws, memory, apart, seed):
    arviz = pytest.importorskip("arviz")
    made = chains(count, draws, memory, apart, seed)
    if count > 1:  # arviz gives none for one chain
        assert rhat(made) == pytest.approx(float(arviz.rhat(made, method="rank")), rel=1e-9)
    assert effective_size(made) == pytest.approx(float(arviz.ess(made, method="bulk")), rel=1e-6)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_the_effective_size_of_known_memory(memory):
    made = chains(20, 4000, memory)
    assert effective_size(made) == pytest.approx(made.size * (1 - memory) / (1 + memory), rel=0.1)
    assert rhat(made) == pytest.approx(1, abs=0.01)


def test_chains_that_disagree_are_seen_whether_in_place_or_in_width():
    assert rhat(chains(4, 200, apart=0.5)) > 1.1
    wide = chains(4, 400) * np.array([1, 1, 1, 3])[:, None]
    assert rhat(wide) > 1.1
    drifting = chains(4, 400) + np.linspace(0, 3, 400)
    assert rhat(drifting) > 1.1


def test_too_few_draws_tell_nothing():
    assert np.isnan(rhat(chains(4, 3))) and np.isnan(effective_size(chains(4, 3)))
