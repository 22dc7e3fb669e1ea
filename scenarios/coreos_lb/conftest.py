"""The article with the data volume, set up on a fresh lab as its guide says."""

from __future__ import annotations

import pytest

from lab.running import Lab
from scenarios.coreos_lb.article import GUIDE, Article
from scenarios.guide import Reader


@pytest.fixture(scope="module")
def article(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Article:
    """Two web servers, the volume, confd and nginx, running."""
    made = Article(fresh_lab, Reader(fresh_lab, GUIDE, tmp_path_factory.mktemp("tools")))
    made.set_up()
    return made
