"""How long a key stays when its instance stops, hangs, or is killed, and that a sidekick comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from lab.waiting import eventually
from scenarios.dockreg.article import INTERVAL, LIMIT, TTL, Dockreg, Expiry, Instance
from scenarios.dockreg.by_script import by_script

Figure = Callable[[str, float, str], None]


@pytest.fixture(scope="module")
def article(article: Dockreg) -> Dockreg:
    """Two hosts without an instance."""
    article.bring_up("host-1", "host-2")
    article.clear()
    return article


@dataclass(frozen=True)
class Abandoned:
    """What was killed, by the moment `at` (monotonic), and how the keys go that somebody had prolonged."""

    at: float
    orphaned: Instance  # without its sidekick
    scripted: Instance
    keys: dict[str, Future[Expiry]]


@pytest.fixture(scope="module")
def abandoned(article: Dockreg) -> Iterator[Abandoned]:
    """Three instances whose keys nobody prolongs any more: other tests go on while the keys expire."""
    killed, orphaned = article.start("host-1"), article.start("host-2")
    article.wait_registered(killed, orphaned)
    sidekick = article.process(orphaned, "dockreg")
    with (
        by_script(article) as scripted,
        article.frozen(orphaned, "supervisord"),  # it would start another one
        ThreadPoolExecutor(2) as pool,
    ):
        article.wait_registered(scripted)
        within = 2 * article.patience + TTL  # the kills themselves may take their time
        keys = {
            what: pool.submit(article.expiry, instance, within)
            for what, instance in (("container", killed), ("sidekick", orphaned))
        }
        article.inside(orphaned, f"kill -KILL {sidekick}")
        article.lab["host-1"].run(["docker", "kill", killed.id, scripted.id], timeout=article.patience)
        yield Abandoned(time.monotonic(), orphaned, scripted, keys)


@pytest.mark.claim("B9")
def test_docker_stop_removes_the_key_at_once(article: Dockreg, figure: Figure) -> None:
    kept, typed = article.start("host-2"), article.start("host-2")
    article.wait_registered(kept, typed)
    article.reader.types("stop")
    assert not article.registered(typed)
    assert article.registered(kept)
    with ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        going = pool.submit(article.gone_at, kept, article.patience)
        article.lab["host-2"].run(["docker", "stop", kept.id], timeout=article.patience)
        done = time.monotonic() - begun
        left = article.registered(kept)
        figure("key gone after docker stop", (going.result() - begun) * 1000, "ms")
    figure("docker stop took", done * 1000, "ms")
    assert not left, "gone when docker stop is done"


@pytest.mark.claim("B11")
@pytest.mark.usefixtures("abandoned")
def test_an_application_that_hangs_loses_its_key_and_gets_it_back(article: Dockreg, figure: Figure) -> None:
    instance = article.start("host-1")
    article.wait_registered(instance)
    with article.frozen(instance, "server.js"):
        hung = time.monotonic()
        gone = article.gone_at(instance, TTL) - hung
        figure("key gone after a hang", gone, "s")
    assert gone <= INTERVAL + LIMIT + article.expiry_error
    eventually(lambda: article.registered(instance), INTERVAL + article.patience, f"{instance.key} is back")


@pytest.mark.claim("B10")
@pytest.mark.usefixtures("abandoned")
def test_a_killed_sidekick_is_started_again_and_the_key_stays(article: Dockreg) -> None:
    instance = article.start("host-1")
    article.wait_registered(instance)
    killed = article.process(instance, "dockreg")
    article.inside(instance, f"kill -KILL {killed}")
    eventually(lambda: article.process(instance, "dockreg") != killed, article.patience, "another one runs")
    article.refreshed_at(instance)
    assert article.registered(instance)


@pytest.mark.claim("B10")
def test_what_nobody_prolongs_is_gone_by_its_ttl_and_a_start_script_s_key_is_not(
    article: Dockreg, abandoned: Abandoned, figure: Figure
) -> None:
    for what, expiry in abandoned.keys.items():
        key = expiry.result()
        figure(f"key gone after the {what} was killed", key.gone - abandoned.at, "s")
        assert key.gone - abandoned.at < TTL + article.expiry_error
        # etcd tells whole seconds: up to one less may be left
        assert key.gone > key.asked + key.left - 1 - article.clocks, "nobody has removed it"
        assert key.gone < key.told + key.left + article.expiry_error
    orphaned = abandoned.orphaned
    assert article.page(orphaned.url) == f"Hello from {orphaned.name}", "the application is none the worse"
    left = article.lab.etcd.get(abandoned.scripted.key)
    assert left is not None
    assert (left.value, left.ttl) == ("running", None), "no time to live will ever end it"
