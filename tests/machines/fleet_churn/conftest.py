"""The churn's options; they are known when this folder is named on the command line."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("churn", "random operations on units and machines")
    group.addoption("--churn", type=int, metavar="COUNT", help="so many operations (default: a short run)")
    group.addoption("--seed", type=int, help="repeat the run that printed this seed")
