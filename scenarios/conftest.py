"""What scenarios share: the ambassador article, set up on a fresh lab as its guide says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.running import Lab
from scenarios.ambassador.article import GUIDE, Article
from scenarios.guide import Reader

Articles = dict[Path, Article]  # what each module has had


@pytest.fixture(scope="session")
def articles() -> Articles:
    return {}


@pytest.fixture(scope="module")
def article(
    fresh_lab: Lab,
    articles: Articles,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Article:
    """The article's six units, running."""
    articles[request.path] = made = set_up(fresh_lab, tmp_path_factory)
    return made


def set_up(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Article:
    """The article as its guide sets it up."""
    made = Article(lab, Reader(lab, GUIDE, tmp_path_factory.mktemp("tools")))
    made.set_up()
    return made
