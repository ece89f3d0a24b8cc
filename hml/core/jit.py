"""How hml compiles loops: numba, without the GIL, kept on disk where that is possible."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from numba import njit

log = logging.getLogger(__name__)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a function of arrays and numbers. It is compiled for this processor when it is first called, which
    takes seconds, and found on disk by later processes; where there is no folder to keep it, each compiles anew.

    Several Python threads may call it at once, each on its part of the work: it releases the GIL and starts no threads.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        settings = {"nogil": True, "error_model": "numpy", "fastmath": True, **options}
        try:
            return njit(function, cache=True, **settings)  # type: ignore[no-any-return]
        except RuntimeError as error:  # numba finds no folder it may write to
            log.debug("%s", error)
            return njit(function, **settings)  # type: ignore[no-any-return]

    return decorate
