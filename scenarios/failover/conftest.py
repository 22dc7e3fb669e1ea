"""What the failovers of the ambassador article share: its six units, which need no second set-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import MachineError
from lab.running import Lab
from scenarios.ambassador.article import CONSUMERS, GUIDE, PROVIDERS, Article
from scenarios.conftest import Articles
from scenarios.failover.stacks import start_dead
from scenarios.guide import Reader


@pytest.fixture(scope="module")
def article(
    lab: Lab,
    lab_users: frozenset[Path],
    articles: Articles,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Article:
    """The article's six units, running: those of the modules before, if nobody else has had the machines.

    To set it up again takes emulated machines two minutes, and every cell looks at its health anyway.
    """
    made = articles.get(next(iter(lab_users))) if lab_users else None
    if made is None or any(articles.get(user) is not made for user in lab_users) or not whole(made):
        request.getfixturevalue("fresh_lab")
        made = Article(lab, Reader(lab, GUIDE, tmp_path_factory.mktemp("tools")))
        made.set_up()
    articles[request.path] = made
    return made


def whole(article: Article) -> bool:
    """Whether all of it runs, or does once what a test has left dead is started."""
    try:
        start_dead(article.lab, PROVIDERS + CONSUMERS)
        article.wait_for_page()
    except MachineError:
        return False
    return True
