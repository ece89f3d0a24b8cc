"""What a run imports, imported."""

import emcee  # noqa: F401
import httpx  # noqa: F401
import matplotlib.pyplot  # noqa: F401
import torch

import hml.cli.run
import hml.core.batch
import hml.core.gauss_newton
import hml.core.page
import hml.core.pipeline
import hml.plugins.interpolators.cubic
import hml.plugins.optimizers.lm
import hml.plugins.phoenix.fetch
import hml.plugins.readers.text
import hml.plugins.samplers.ensemble  # noqa: F401

torch.set_num_threads(1)
