"""One ground for all faults."""

from collections.abc import Iterator

import pytest
from ground import Ground
from ground import ground as made


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    with made() as ready:
        yield ready
