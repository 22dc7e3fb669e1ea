"""HAProxy finds the instances in etcd, balances over all, and drops no request when the keys change."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Callable

import pytest

from lab.waiting import eventually
from scenarios.dockreg.article import BALANCER, GREETING, HOSTS, Dockreg, Instance
from scenarios.dockreg.traffic import Traffic

Figure = Callable[[str, float, str], None]
RELOADS = 10
WITHIN_A_RELOAD = 0.8  # seconds: what one takes, roughly, from the key's change to the new worker


@pytest.fixture(scope="module")
def instances(balanced: Dockreg) -> list[Instance]:
    """One on each host, known to HAProxy."""
    started = [balanced.start(host) for host in HOSTS]
    balanced.wait_registered(*started)
    eventually(
        lambda: {greeting(balanced) for _ in started} == {one.name for one in started},
        balanced.patience,
        "HAProxy asks each of them",
        ignoring=(OSError,),
    )
    return started


def greeting(article: Dockreg) -> str:
    return article.page(article.public).removeprefix("Hello from ")


def processes(article: Dockreg) -> list[tuple[str, str, str]]:
    """HAProxy's processes as its machine counts them: id, parent, command line; no checks of a file."""
    listed = article.lab[BALANCER].output("docker top haproxy -eo pid,ppid,args").splitlines()[1:]
    rows = [line.split(None, 2) for line in listed]
    return [
        (pid, parent, args)
        for pid, parent, args in rows
        if args.startswith("haproxy -") and " -c " not in args
    ]


def tell(article: Dockreg, *commands: str) -> str:
    """What HAProxy's administration socket answers."""
    script = f'echo "{"; ".join(commands)}" | socat -t 5 - UNIX-CONNECT:/run/haproxy.sock'
    return article.lab[BALANCER].output(["docker", "exec", "haproxy", "sh", "-c", script])


def servers(article: Dockreg) -> dict[str, dict[str, str]]:
    """What HAProxy counts for each server that it checks, by IP:PORT."""
    rows = csv.DictReader(tell(article, "show stat").removeprefix("# ").splitlines())
    return {row["svname"]: row for row in rows if row["pxname"] == "instances" and row["svname"][0].isdigit()}


def taken_for_alive(article: Dockreg) -> set[str]:
    """The servers that HAProxy does not take for dead."""
    return {address for address, row in servers(article).items() if row["status"].startswith("UP")}


def checked(article: Dockreg) -> set[str]:
    """The servers that are being asked for their health at this moment."""
    return {address for address, row in servers(article).items() if row["check_status"].startswith("*")}


def master(article: Dockreg) -> str:
    """The process that supervisord started."""
    ids = {pid for pid, _, _ in processes(article)}
    (found,) = (pid for pid, parent, _ in processes(article) if parent not in ids)
    return found


def new_worker(article: Dockreg, known: set[str]) -> str:
    """A process of HAProxy that is not `known`; "" if there is none."""
    return next((pid for pid, _, _ in processes(article) if pid not in known), "")


@pytest.mark.claim("B12")
def test_requests_are_balanced_over_all_instances(balanced: Dockreg, instances: list[Instance]) -> None:
    two = re.findall(GREETING, balanced.reader.types("public"))
    assert len(set(two)) == 2, "in turn"
    assert set(two) <= {one.name for one in instances}
    asked = [greeting(balanced) for _ in range(10 * len(instances))]
    for instance in instances:
        assert 8 <= asked.count(instance.name) <= 12, asked


@pytest.mark.claim("B12")
def test_no_request_fails_while_haproxy_is_reloaded(
    balanced: Dockreg, instances: list[Instance], figure: Figure
) -> None:
    """Keys of instances that never were: each makes confd write another configuration."""
    first = master(balanced)
    seen = {pid for pid, _, _ in processes(balanced)}
    with Traffic(balanced) as traffic:
        traffic.wait_for_answer(balanced.patience)
        for number in range(RELOADS):
            key = f"/service/10.1.0.101:{1000 + number // 2}"  # one that refuses: HAProxy asks another one
            if number % 2:
                balanced.lab.etcd.delete(key)
            else:
                balanced.lab.etcd.set(key, "running", ttl=120)
            changed = time.monotonic()
            seen.add(eventually(lambda: new_worker(balanced, seen), balanced.patience, "a new worker"))
            traffic.wait_for_requests(changed)
    figure("requests", traffic.rate, "/s")
    figure(
        "failed requests",
        len(traffic.failed),
        f"of {len(traffic.samples)}, over {RELOADS} reloads",
    )
    assert master(balanced) == first
    assert traffic.failed == [], traffic.complaints()
    assert set(traffic.answers()) == {one.name for one in instances}


@pytest.mark.claim("B12")
def test_a_change_while_haproxy_is_being_reloaded_is_not_lost(
    balanced: Dockreg, instances: list[Instance]
) -> None:
    """HAProxy's master hears no signal while it is busy with an earlier one, at whatever moment that is."""
    addresses = balanced.addresses()
    pair = {f"10.1.0.101:{number}" for number in (1101, 1102)}
    for number in range(RELOADS):
        for address in sorted(pair):
            balanced.lab.etcd.set(f"/service/{address}", "running", ttl=120)
            pause = time.monotonic() + number * WITHIN_A_RELOAD / RELOADS
            eventually(lambda: time.monotonic() >= pause, WITHIN_A_RELOAD, "the next change", every=0.01)  # noqa: B023
        eventually(lambda: set(servers(balanced)) == addresses | pair, balanced.patience, "all are known")
        for address in sorted(pair):
            balanced.lab.etcd.delete(f"/service/{address}")
        eventually(lambda: set(servers(balanced)) == addresses, balanced.patience, "the pair has gone")


@pytest.mark.claim("B12")
def test_an_instance_out_of_service_gets_no_more_requests_and_a_new_one_gets_some(
    balanced: Dockreg, instances: list[Instance], figure: Figure
) -> None:
    leaving = instances[1]
    with Traffic(balanced) as traffic:
        traffic.wait_for(leaving.name, balanced.patience)
        balanced.inside(leaving, "supervisorctl stop dockreg")
        withdrawn = time.monotonic()
        assert not balanced.registered(leaving)
        coming = balanced.start(HOSTS[0])
        balanced.wait_registered(coming)
        registered = time.monotonic()
        first = traffic.wait_for(coming.name, balanced.patience)
        traffic.wait_for_requests(withdrawn)
        traffic.wait_for_answer(
            2 * balanced.noticed + balanced.patience, after=time.monotonic() + 2 * balanced.noticed
        )
        assert balanced.page(leaving.url) == f"Hello from {leaving.name}", "it could answer"
    late = traffic.last_asked(leaving.name) - withdrawn
    figure("last request to it after its key was gone", late * 1000, "ms")
    figure("first answer after its key was there", (first.end - registered) * 1000, "ms")
    assert late < balanced.noticed + traffic.standstill(withdrawn, withdrawn + late)
    assert traffic.failed == [], traffic.complaints()


@pytest.mark.claim("B12")
def test_all_are_asked_nevertheless_when_all_are_taken_for_dead(
    balanced: Dockreg, instances: list[Instance]
) -> None:
    """As by a HAProxy that had no processor for longer than it waits for a connection."""
    eventually(
        lambda: taken_for_alive(balanced) == balanced.addresses(),
        balanced.patience,
        "all are known and alive",
    )
    known = [f"instances/{address}" for address in balanced.addresses()]
    # no check may find them alive meanwhile, neither the next one nor one that is under way
    tell(balanced, *(f"disable health {server}" for server in known))
    eventually(lambda: not checked(balanced), balanced.patience, "no check is under way")
    tell(balanced, *(f"set server {server} health down" for server in known))
    assert taken_for_alive(balanced) == set()
    assert {greeting(balanced) for _ in range(2 * len(known))} >= {instances[0].name, instances[2].name}
    assert taken_for_alive(balanced) == set()
    tell(balanced, *(f"enable health {server}" for server in known))
    eventually(
        lambda: taken_for_alive(balanced) == balanced.addresses(),
        balanced.patience,
        "checks find them alive",
    )


@pytest.mark.claim("B12")
def test_confd_comes_back_when_it_is_killed(balanced: Dockreg, instances: list[Instance]) -> None:
    node = balanced.lab[BALANCER]
    listed = node.output("docker top haproxy -eo pid,args").splitlines()
    (confd,) = (line.split()[0] for line in listed if "confd" in line and "supervisord" not in line)
    node.run(["kill", "-KILL", confd], sudo=True)
    coming = balanced.start(HOSTS[2])
    eventually(
        lambda: greeting(balanced) == coming.name,
        balanced.patience,
        "HAProxy asks the new one",
        ignoring=(OSError,),
    )
