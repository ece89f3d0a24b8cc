"""Learning: from a line table to the manifold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from hml import Interpolator, Progress, Table, coordinate
from hml_neural import NeuralConfig
from hml_neural.manifold import Inputs, Network, NeuralManifold
from hml_neural.patterns import Patterns

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

FEWEST = 8  # nodes: of fewer none is held out


class Neural(Interpolator):
    """Patterns of a table by singular values; a network learns their strengths.

    Some nodes are held out first, and the step is found at which they are told best; then all nodes are learnt, for as
    many steps. L-BFGS (Liu & Nocedal 1989, Mathematical Programming 45, 503) on all nodes at once.
    """

    def __init__(self, config: NeuralConfig, seed: int, progress: Progress) -> None:
        self.config, self.seed, self.progress = config, seed, progress

    def fit(self, table: Table) -> NeuralManifold:
        """The manifold that comes near all nodes. The same table and seed give the same one, in whatever order."""
        order = np.lexsort(table.nodes.T[::-1])
        found = Patterns.of(table.values[order].astype(np.float64), table.names, self.config.size)
        inputs = inputs_of(table)
        x = inputs(torch.as_tensor(table.nodes[order], dtype=torch.float64))
        size = np.sqrt(np.mean(found.strengths**2, 0))
        size = np.where(size > 0, size, 1.0)
        y = torch.as_tensor(found.strengths / size)
        weight = torch.as_tensor(size * np.linalg.norm(found.patterns.reshape(len(size), -1), axis=1))
        network = self._learnt(x, y, (weight / weight.norm()) ** 2)
        made = NeuralManifold(inputs, network, found.fine, len(size), found.mean.shape)
        made.mean, made.scale = (torch.as_tensor(a, dtype=torch.float32) for a in (found.mean, found.scale))
        whole = torch.as_tensor(found.patterns)
        made.fine, made.coarse = whole[: found.fine].to(torch.int16), whole[found.fine :].to(torch.int8)
        made.steps = torch.as_tensor(size)
        return made.requires_grad_(False)

    def empty(self, header: Mapping[str, Any]) -> NeuralManifold:
        """A manifold to be filled by `load_state_dict`."""
        return NeuralManifold.empty(header).requires_grad_(False)

    def _learnt(self, x: Tensor, y: Tensor, weight: Tensor) -> Network:
        """Some nodes are held out to find out for how many steps to learn; then all are learnt."""
        out, steps, decay = held_out(len(x), self.config.held_out, self.seed), self.config.steps, self.config.decay
        with self.progress("neural manifold", total=2 * steps, unit="steps") as advance:
            if out.any():
                first = _Learning(self._network(x, y), x[~out], y[~out], weight, decay)
                missed = lambda: float(first.missed(x[out], y[out]).detach())  # noqa: E731
                stopping = _Stopping(missed, self.config.patience, advance)
                first.run(steps, stopping)
                steps = stopping.at
                log.info("neural: %.1e of what varies is missed at %d nodes held out, after %d steps",
                         stopping.best**0.5, int(out.sum()), steps)  # fmt: skip
            network = self._network(x, y)
            _Learning(network, x, y, weight, decay).run(steps, lambda: advance(1))
        return network

    def _network(self, x: Tensor, y: Tensor) -> Network:
        """The same beginning whatever is held out. It begins straight: least squares in the inputs."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = Network(x.shape[1], self.config.hidden, y.shape[1])
        design = torch.cat([x, torch.ones_like(x[:, :1])], -1)
        best = torch.linalg.lstsq(design, y, driver="gelsd").solution
        with torch.no_grad():
            network.past.weight.copy_(best[:-1].T)
            network.past.bias.copy_(best[-1])
            network.last.weight.mul_(0.1)
            network.last.bias.zero_()
        return network


class _Learning:
    """The network learns the strengths of some nodes."""

    def __init__(self, network: Network, x: Tensor, y: Tensor, weight: Tensor, decay: float) -> None:
        self.network, self.x, self.y, self.weight, self.decay = network, x, y, weight, decay
        self.weights = [p for name, p in network.named_parameters() if name.endswith("weight")]

    def run(self, steps: int, after: Callable[[], None]) -> None:
        """At most so many steps; `after` each of them, and a StopIteration of it is the last."""

        def each(vector: Floats) -> None:
            self._put(vector)
            after()

        start = parameters_to_vector(self.network.parameters()).detach().numpy()
        options = {"maxiter": steps, "maxfun": 20 * steps, "maxcor": 50, "ftol": 0.0, "gtol": 0.0}
        done = optimize.minimize(self._loss, start, jac=True, method="L-BFGS-B", callback=each, options=options)
        self._put(done.x)

    def _put(self, vector: Floats) -> None:
        vector_to_parameters(torch.as_tensor(vector), self.network.parameters())

    def _loss(self, vector: Floats) -> tuple[float, Floats]:
        self._put(vector)
        small = sum(((p**2).sum() for p in self.weights), torch.zeros((), dtype=torch.float64))
        loss = self.missed(self.x, self.y) + self.decay * small
        gradient = torch.autograd.grad(loss, list(self.network.parameters()))
        return float(loss.detach()), parameters_to_vector(gradient).numpy()

    def missed(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean square of what is missed, over that of all that varies."""
        return (((self.network(x) - y) ** 2).mean(0) * self.weight).sum()


class _Stopping:
    """Counts steps, and ends them when nodes held out have not been told better for long."""

    def __init__(self, missed: Callable[[], float], patience: int, advance: Callable[[float], None]) -> None:
        self.missed, self.patience, self.advance = missed, patience, advance
        self.step, self.at, self.best = 0, 1, float("inf")

    def __call__(self) -> None:
        self.step += 1
        self.advance(1)
        missed = self.missed()
        if missed < self.best:
            self.best, self.at = missed, self.step
        elif self.step - self.at >= self.patience:
            raise StopIteration


def inputs_of(table: Table) -> Inputs:
    """What the network sees of labels."""
    names = [table.coordinates.get(name, "identity") for name in table.space.names]
    breaks = [(p, i) for p, name in enumerate(table.space.names) for i in table.breaks.get(name, ())]
    inputs = Inputs(names, [p for p, _ in breaks])
    ends = torch.as_tensor(np.stack([table.space.lower, table.space.upper]), dtype=torch.float64)
    low, high = torch.stack([coordinate(name)(ends[:, p]) for p, name in enumerate(names)], -1)
    inputs.low, inputs.width = low, torch.where(high > low, high - low, torch.ones_like(low))
    edges = [(table.space.axes[p].nodes[i] + table.space.axes[p].nodes[i + 1]) / 2 for p, i in breaks]
    inputs.edges = torch.tensor(edges, dtype=torch.float64)
    return inputs


def held_out(nodes: int, part: float, seed: int) -> NDArray[np.bool_]:
    """Which nodes `[M]` are not learnt at first."""
    out = np.zeros(nodes, dtype=bool)
    if nodes >= FEWEST:
        out[np.random.default_rng(seed).permutation(nodes)[: round(part * nodes)]] = True
    return out
