"""A mapping of a configuration with the places its words stand at, and the problems found in it.

YAML and TOML are both read into `Node`s whose scalars are text: YAML's own typing would make 90 of
`1:30`. A target reads its options through `Section`, which collects every problem instead of
stopping at the first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from budgetguard.errors import QuantityError
from budgetguard.gate.limits import nearest
from budgetguard.gate.model import Where
from budgetguard.units import EXAMPLES, Unit, parse_quantity


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a configuration: text, a list or a mapping, its line, and that line as written."""

    value: "str | list[Node] | dict[str, Node] | None"
    line: int | None = None
    source: str = ""

    @property
    def kind(self) -> str:
        """What a person would call it."""
        if self.value is None:
            return "nothing"
        return {str: "text", list: "a list", dict: "a mapping"}[type(self.value)]


@dataclass(slots=True)
class Problems:
    """The problems of one file, in the order they were found."""

    file: str
    found: list[str] = field(default_factory=list)

    def add(self, line: int | None, key: str, message: str) -> None:
        """Note a problem at a line and a dotted key."""
        self.found.append(f"{Where(self.file, line, key)}: {message}")


class Section:
    """One mapping of a configuration, read key by key; every wrong value becomes a problem."""

    def __init__(self, node: Node, key: str, problems: Problems, folder: Path) -> None:
        self.key = key
        self.line = node.line
        self.folder = folder
        self.problems = problems
        self._items: Mapping[str, Node] = node.value if isinstance(node.value, dict) else {}

    def __contains__(self, name: str) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def place(self, name: str = "") -> Where:
        """Where a key of this section stands."""
        item = self._items.get(name)
        return Where(self.problems.file, item.line if item else self.line, self._dotted(name))

    def problem(self, name: str, message: str) -> None:
        """Note that the value of `name` is wrong."""
        where = self.place(name)
        self.problems.add(where.line, where.key, message)

    def unknown(self, known: frozenset[str]) -> None:
        """Note every key that is not in `known`."""
        for name in self._items:
            if name not in known:
                self.problem(name, f"unknown key {name!r}{nearest(name, known)}")

    def node(self, name: str) -> Node | None:
        """The raw value, where a key needs its own reading."""
        return self._items.get(name)

    def text(self, name: str, default: str = "") -> str:
        """A piece of text that is not empty."""
        item = self._items.get(name)
        if item is None:
            return default
        if not isinstance(item.value, str) or not item.value.strip():
            got = "nothing" if isinstance(item.value, str) else item.kind
            self.problem(name, f"expected text; got {got}")
            return default
        return item.value

    def texts(self, name: str) -> tuple[str, ...]:
        """One piece of text or a list of them."""
        item = self._items.get(name)
        if item is None:
            return ()
        entries = item.value if isinstance(item.value, list) else [item]
        if entries and all(
            isinstance(entry.value, str) and entry.value.strip() for entry in entries
        ):
            return tuple(str(entry.value) for entry in entries)
        got = item.kind if isinstance(item.value, dict) else "nothing in it"
        self.problem(name, f"expected text or a list of texts; got {got}")
        return ()

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        item = self._items.get(name)
        if item is None:
            return default
        word = item.value.lower() if isinstance(item.value, str) else ""
        if word not in ("true", "false", "yes", "no", "on", "off"):
            self.problem(
                name,
                f"expected true or false; got {repr(item.value) if word else item.kind}",
            )
        return word in ("true", "yes", "on")

    def seconds(self, name: str, default: float) -> float:
        """A duration such as `30 s`, longer than nothing."""
        return self._quantity(name, Unit.SECONDS, default)

    def per_second(self, name: str) -> float:
        """A rate such as `100 /s`, above 0; 0 where there is none."""
        return self._quantity(name, Unit.PER_SECOND, 0.0)

    def count(self, name: str, default: int) -> int:
        """A whole number above 0."""
        value = self._quantity(name, Unit.COUNT, default)
        if value != int(value):
            self.problem(name, f"expected a whole number; got {value:g}")
        return int(value)

    def mapping(self, name: str) -> dict[str, str]:
        """A mapping of names to text."""
        item = self._items.get(name)
        if item is None:
            return {}
        if not isinstance(item.value, dict):
            self.problem(name, f"expected a mapping of names to text; got {item.kind}")
            return {}
        for key, entry in item.value.items():
            if not isinstance(entry.value, str):
                self.problems.add(
                    entry.line, f"{self._dotted(name)}.{key}", f"expected text; got {entry.kind}"
                )
        return {
            key: entry.value for key, entry in item.value.items() if isinstance(entry.value, str)
        }

    def _quantity(self, name: str, unit: Unit, default: float) -> float:
        text = self.text(name)
        if not text:
            return default
        try:
            quantity = parse_quantity(text)
        except QuantityError as error:
            self.problem(name, str(error))
            return default
        if quantity.unit is not unit or quantity.value <= 0:
            self.problem(name, f"expected {EXAMPLES[unit]}, above 0; got {text!r}")
            return default
        return quantity.value

    def _dotted(self, name: str) -> str:
        return ".".join(part for part in (self.key, name) if part)
