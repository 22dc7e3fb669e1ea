"""A step of a guide that no test types could have stopped working long ago."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.guide import steps

SCENARIOS = Path(__file__).parents[3] / "scenarios"
GUIDES = sorted(SCENARIOS.glob("*/README.md"))


def words(node: ast.AST) -> Iterator[str]:
    """Strings that stand in a syntax tree."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def typed(source: str, names: list[str]) -> set[str]:
    """The steps that Python's source hands to `types`, one by one, in a loop, or with `between`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "types":
                found.update(words(node))
            if node.func.attr == "between":
                first, last = words(node)
                found.update(names[names.index(first) : names.index(last) + 1])
        if isinstance(node, ast.comprehension | ast.For):
            found.update(words(node.iter))
    return found & set(names)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.parent.name)
def test_each_step_is_typed(guide: Path) -> None:
    names = list(steps(guide.read_text()))
    sources = [*guide.parent.rglob("*.py")]
    if guide.parent.name == "ambassador":  # the reboot is measured with the other failovers
        sources.append(SCENARIOS / "failover" / "test_reboot.py")
    found = set().union(*(typed(source.read_text(), names) for source in sources))
    assert names
    assert [name for name in names if name not in found] == []


def test_a_step_that_is_only_named_is_not_typed() -> None:
    assert typed("seen = ['one']; reader.types('two')", ["one", "two"]) == {"two"}
