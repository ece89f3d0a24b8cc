"""Text from anywhere: what it says of its own size is checked before it is believed, and nothing it says reaches a
terminal as a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.table import Table
    from yaml import Node

LONGEST = 1_000_000  # characters of YAML
MOST = 100_000  # values of YAML, an anchor counted wherever it is used
WIDEST = 100  # characters of a number or a date
LARGEST = 200_000_000  # bytes of a table


def printable(text: str) -> str:
    """Without what a terminal would obey (escapes, other control characters, changes of direction); lines stay."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def parse_yaml(text: str) -> Any:
    """Plain data; ValueError in one line if it is no YAML, or a few lines of it would be gigabytes of data."""
    import yaml

    try:
        require_modest(text)
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, OverflowError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(" ".join(str(error).split())) from None  # the last three from nonsense behind its tags


def require_modest(text: str) -> None:
    """ValueError unless YAML is as small as it looks."""
    import yaml

    if len(text) > LONGEST:
        raise ValueError(f"{len(text):,} characters; {LONGEST:,} are the most")
    root = yaml.compose(text, yaml.SafeLoader)
    if root is not None and _size(root, {}) > MOST:
        raise ValueError(f"its anchors make more than {MOST:,} values of it")


def _size(node: Node, known: dict[int, int | None]) -> int:
    """How many values a node stands for."""
    import yaml

    if id(node) not in known:
        known[id(node)] = None
        if isinstance(node, yaml.ScalarNode):
            if node.tag != "tag:yaml.org,2002:str" and len(node.value) > WIDEST:
                raise ValueError(f"a number or date of {len(node.value):,} characters")
            inner = []
        else:
            inner = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_size(part, known) for part in inner)
    size = known[id(node)]
    if size is None:
        raise ValueError("an anchor holds itself")
    return size


def read_ecsv(path: Path) -> Table:
    """An ECSV table. Raises OSError, and whatever astropy meets in a broken file; ValueError where its size is not what
    it seems."""
    from astropy.table import Table

    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has {path.stat().st_size / 1e6:,.0f} MB; {LARGEST / 1e6:,.0f} MB are the most")
    head: list[str] = []
    length = 0
    with path.open(encoding="utf-8") as file:
        while (line := file.readline(LONGEST)).startswith("#"):
            head.append(line[2:])
            if (length := length + len(line)) > LONGEST:
                raise ValueError(f"its head is longer than {LONGEST:,} characters")
    require_modest("".join(head[1:]))
    return Table.read(path, format="ascii.ecsv")
