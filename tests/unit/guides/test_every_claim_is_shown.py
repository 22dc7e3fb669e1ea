"""Each claim that is written down has a test that says it shows it, and no test shows another."""

from __future__ import annotations

import ast
import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]


def marked(source: str) -> set[str]:
    """The claims that Python's source names in `mark.claim(...)`."""
    return {
        word.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "claim"
        for word in node.args
        if isinstance(word, ast.Constant) and isinstance(word.value, str)
    }


def test_each_claim_that_is_written_down_is_shown_by_a_scenario() -> None:
    written = re.findall(r"^\| ([A-F]\d+) \|", (CHECKOUT / "docs/claims.md").read_text(), re.MULTILINE)
    shown = set().union(*(marked(file.read_text()) for file in (CHECKOUT / "scenarios").rglob("test_*.py")))
    assert len(written) == len(set(written)) == 59
    assert set(written) == shown


def test_a_claim_in_a_comment_is_not_shown() -> None:
    assert marked('@pytest.mark.claim("A1", "B2")\ndef test(): ...  # claim("C3")') == {"A1", "B2"}
