"""How far draws of Markov chains can be trusted, after Vehtari et al. 2021, Bayesian Analysis 16, 667.

Chains are `[C, D]`: D draws of one parameter by each of C chains.
"""

from __future__ import annotations

import numpy as np

from hml.core.space import Floats


def rhat(chains: Floats) -> float:
    """Rank-normalised split R̂, of the draws and of their distance from the median, whichever is larger: 1 where all
    chains tell the same. NaN for fewer than 4 draws."""
    if chains.shape[1] < 4:
        return np.nan
    halves = _split(chains)
    return max(_split_rhat(_normal(halves)), _split_rhat(_normal(np.abs(halves - np.median(halves)))))


def effective_size(chains: Floats) -> float:
    """How many independent draws tell as much of the centre of the distribution; NaN for fewer than 4 draws."""
    if chains.shape[1] < 4:
        return np.nan
    z = _normal(_split(chains))
    count, draws = z.shape
    covariance = _autocovariance(z).mean(0)
    within = covariance[0] * draws / (draws - 1)
    total = covariance[0] + (z.mean(1).var(ddof=1) if count > 1 else 0.0)
    correlation = 1 - (within - covariance) / total
    correlation[0] = 1.0
    # Geyer's initial monotone sequence: sums of neighbours, as long as they are positive, never rising
    most = max(0, (draws - 3) // 2)
    pairs = correlation[: 2 * most + 2].reshape(-1, 2).sum(1)
    end = next((k for k, pair in enumerate(pairs) if pair <= 0), most)
    last = correlation[2 * end] if pairs[end] > 0 else max(correlation[2 * end], 0.0)  # lags may run out first
    time = -1 + 2 * np.minimum.accumulate(pairs[:end]).sum() + last
    return float(z.size / max(time, 1 / np.log10(z.size)))


def _split(chains: Floats) -> Floats:
    """Both halves of each chain as chains of their own; the middle draw of an odd number is left out."""
    half = chains.shape[1] // 2
    return np.concatenate([chains[:, :half], chains[:, -half:]])


def _normal(chains: Floats) -> Floats:
    """Draws by their rank among all, as quantiles of the normal distribution."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    rank = rankdata(chains).reshape(chains.shape)
    return np.asarray(ndtri((rank - 0.375) / (chains.size + 0.25)))


def _split_rhat(chains: Floats) -> float:
    draws = chains.shape[1]
    within = chains.var(1, ddof=1).mean()
    between = chains.mean(1).var(ddof=1)
    return float(np.sqrt((draws - 1) / draws + between / within)) if within > 0 else np.nan


def _autocovariance(chains: Floats) -> Floats:
    """At lags 0 to D - 1, `[C, D]`."""
    draws = chains.shape[1]
    spectrum = np.fft.rfft(chains - chains.mean(1, keepdims=True), 2 * draws)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2)[:, :draws] / draws)
