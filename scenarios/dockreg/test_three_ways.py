"""What goes wrong when a start script registers the application, and does not with a sidekick.

That its key stays for ever when it is killed is shown where other keys go: test_departures.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from requests import RequestException

from lab.etcd import EtcdFailed
from lab.probe import INTERVAL, TIMEOUT, Probe
from lab.waiting import eventually
from scenarios.dockreg.article import LOOK, Dockreg, Instance
from scenarios.dockreg.by_script import HOST, by_script
from scenarios.dockreg.traffic import INTERVAL_EMULATED

Figure = Callable[[str, float, str], None]
TIMEOUT_EMULATED = 10.0
WARM_UP, WARM_UP_EMULATED = 2, 20  # seconds that the application needs until it listens


@pytest.fixture(scope="module")
def article(article: Dockreg) -> Dockreg:
    """One host without an instance."""
    article.bring_up(HOST)
    article.clear()
    return article


def warm_up(article: Dockreg) -> int:
    return WARM_UP_EMULATED if article.lab.provider.emulated else WARM_UP


def answers(article: Dockreg, instance: Instance) -> bool:
    try:
        return article.page(instance.url) == f"Hello from {instance.name}"
    except RequestException:
        return False


def test_a_start_script_registers_before_the_application_answers(article: Dockreg, figure: Figure) -> None:
    """And so a client that believes the key asks where nobody listens."""
    with by_script(article, warm_up(article)) as instance:
        article.wait_registered(instance)
        registered = time.monotonic()
        slow = article.lab.provider.emulated
        with Probe(
            instance.url,
            article.lab.namespace,
            expect=f"Hello from {instance.name}",
            interval=INTERVAL_EMULATED if slow else INTERVAL,
            timeout=TIMEOUT_EMULATED if slow else TIMEOUT,
        ) as client:
            answer = client.wait_for_answer(article.patience)
        figure("registered before it answers", (answer.end - registered) * 1000, "ms")
        figure("requests that failed meanwhile", len(client.failed), f"of {len(client.samples)}")
        assert answer.end - registered > warm_up(article) / 2
        assert client.failed


def test_a_sidekick_waits_until_the_application_answers(article: Dockreg, figure: Figure) -> None:
    instance = article.start(HOST, f"-e WARM_UP={warm_up(article)}")
    try:
        started = time.monotonic()
        eventually(
            lambda: article.registered(instance),
            article.patience,
            "it is registered",
            every=LOOK,
            ignoring=(EtcdFailed,),
        )
        registered = time.monotonic() - started
        assert answers(article, instance)
        figure("registered after", registered, "s")
    finally:
        article.clear()


def test_a_start_script_removes_its_key_when_it_is_stopped(article: Dockreg) -> None:
    with by_script(article) as instance:
        article.wait_registered(instance)
        article.lab[HOST].run(["docker", "stop", instance.id], timeout=article.patience)
        assert not article.registered(instance)
