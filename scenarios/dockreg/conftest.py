"""The dockreg article for its tests, and the churn's options, known when this folder is named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.running import Lab
from scenarios.dockreg.article import GUIDE, HOSTS, Dockreg
from scenarios.guide import Reader


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("dockreg", "instances that come and go")
    group.addoption("--dockreg-churn", type=int, metavar="SECONDS", help="for so long (default: a short run)")
    group.addoption("--dockreg-seed", type=int, help="repeat the run that printed this seed")


@pytest.fixture(scope="module")
def article(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Dockreg:
    """The article on the lab as it is."""
    return Dockreg(lab, Reader(lab, GUIDE, tmp_path_factory.mktemp("tools")))


@pytest.fixture(scope="module")
def balanced(article: Dockreg) -> Dockreg:
    """Three hosts and HAProxy, without an instance."""
    article.bring_up(*HOSTS)
    with ThreadPoolExecutor(1) as pool:
        balancing = pool.submit(article.balance)
        article.clear()
        balancing.result()
    return article
