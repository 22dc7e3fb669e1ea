"""What the failovers of the ambassador article share: its six units, which need no second set-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import MachineError
from lab.faults import ledger
from lab.running import Lab
from scenarios.ambassador.article import CONSUMERS, PROVIDERS, Article
from scenarios.conftest import Articles, set_up
from scenarios.failover.stacks import start_dead


@pytest.fixture(scope="module")
def article(
    lab: Lab,
    lab_users: frozenset[Path],
    articles: Articles,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Article:
    """The article's six units, running: those of the modules before, if nobody else has had the machines.

    To set it up again takes emulated machines two minutes.
    """
    made = articles.get(next(iter(lab_users))) if lab_users else None
    if made is None or any(articles.get(user) is not made for user in lab_users) or not whole(made):
        request.getfixturevalue("fresh_lab")
        made = set_up(lab, tmp_path_factory)
    articles[request.path] = made
    return made


def whole(article: Article) -> bool:
    """Whether it all runs, or does once what a test has left dead is started, and nothing else was left."""
    units = PROVIDERS + CONSUMERS
    try:
        if ledger.standing(article.lab) or article.lab.fleet.units().keys() - {*units}:
            return False
        start_dead(article.lab, units)
        article.wait_for_page()
    except MachineError:
        return False
    return True
