"""The guide's units say what the article's do: same names, same options, same order. No machine is needed."""

from __future__ import annotations

import pytest

from scenarios.ambassador.article import CONSUMERS, GUIDE, PROVIDERS, UNITS
from scenarios.files import missing_targets, options
from scenarios.guide import steps

RUN = "/usr/bin/docker run"
STALE = ["-/usr/bin/docker kill %n", "-/usr/bin/docker rm %n"]
# Not the article's: others link to this container, and systemd takes the unit for started before it is there.
THERE = [
    '/bin/sh -c \'until /usr/bin/docker inspect -f "{{.State.Running}}" %n 2>/dev/null | grep -q true '
    "|| ! kill -0 $MAINPID; do sleep 0.1; done'"
]
STOP = ["/usr/bin/docker stop -t 3 %n"]
PRIVATE, PUBLIC = "${COREOS_PRIVATE_IPV4}", "${COREOS_PUBLIC_IPV4}"


def service(run: str, pull: str = "") -> dict[str, list[str]]:
    """The options that all six share, with the image that is pulled first, if any."""
    pulled = [f"/usr/bin/docker pull {pull}"] if pull else []
    shared = {"Service.ExecStartPre": STALE + pulled, "Service.ExecStart": [f"{RUN} {run}"]}
    environment = {"Service.EnvironmentFile": ["/etc/environment"]} if "COREOS" in run else {}
    return {**environment, **shared}


EXPECTED = {
    "apache.service": {
        **service(f"--rm --name %n -p {PRIVATE}::80 user_name/apache", "user_name/apache"),
        "Service.ExecStop": STOP,
    },
    "etcd-amb-apache.service": {
        **service("--rm --name %n polvi/simple-amb 172.17.42.1:4001"),
        "Service.ExecStartPost": THERE,
        "Unit.After": ["apache.service"],
        "Unit.BindsTo": ["apache.service"],
        "Service.ExecStop": STOP,
        "X-Fleet.X-ConditionMachineOf": ["apache.service"],
    },
    "apache-docker-reg.service": {
        **service(
            "--link etcd-amb-apache.service:etcd -v /var/run/docker.sock:/var/run/docker.sock --rm "
            "polvi/docker-register apache.service 80 apache-A"
        ),
        "Unit.After": ["etcd-amb-apache.service"],
        "Unit.BindsTo": ["etcd-amb-apache.service"],
        "X-Fleet.X-ConditionMachineOf": ["etcd-amb-apache.service"],
    },
    "etcd-amb-apache2.service": {
        **service("--rm --name %n polvi/simple-amb 172.17.42.1:4001"),
        "Service.ExecStartPost": THERE,
        "Service.ExecStop": STOP,
        "X-Fleet.X-Conflicts": ["apache.service"],
    },
    "apache-dyn-amb.service": {
        **service(
            f"--link etcd-amb-apache2.service:etcd --rm --name %n -p {PRIVATE}:80:80 "
            "polvi/dynamic-etcd-amb apache-A 80",
            "polvi/dynamic-etcd-amb",
        ),
        "Unit.After": ["etcd-amb-apache2.service"],
        "Unit.BindsTo": ["etcd-amb-apache2.service"],
        "Service.ExecStop": STOP,
        "X-Fleet.X-ConditionMachineOf": ["etcd-amb-apache2.service"],
    },
    "haproxy.service": {
        **service(f"--name %n -p {PUBLIC}:80:80 user_name/haproxy", "user_name/haproxy"),
        "Service.ExecStop": STOP,
        "X-Fleet.X-ConditionMachineOf": ["apache-dyn-amb.service"],
    },
}


@pytest.mark.claim("A5")
@pytest.mark.parametrize("unit", EXPECTED)
def test_a_unit_has_the_article_s_options(unit: str) -> None:
    assert options(UNITS / unit) == EXPECTED[unit]


@pytest.mark.claim("A5")
def test_the_guide_starts_the_six_units_in_the_article_s_order() -> None:
    started = [
        line.split()[2] for line in steps(GUIDE.read_text())["start"].script.splitlines() if "start" in line
    ]
    assert tuple(started) == PROVIDERS + CONSUMERS
    assert sorted(started) == sorted(path.name for path in UNITS.iterdir())


def test_every_file_that_the_guide_points_to_is_there() -> None:
    assert missing_targets(GUIDE) == []
