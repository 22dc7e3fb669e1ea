"""The guide's units say what the article's do: same names, same options, same order. No machine is needed."""

from __future__ import annotations

import re

import pytest

from scenarios.confd_nginx.article import FOLDER, GUIDE, LOOK, TTL
from scenarios.files import missing_targets, options
from scenarios.guide import steps

PRIVATE, PUBLIC = "${COREOS_PRIVATE_IPV4}", "${COREOS_PUBLIC_IPV4}"


def contained(container: str, run: str, image: str) -> dict[str, list[str]]:
    """The options that both units of a container share."""
    return {
        "Service.TimeoutStartSec": ["0"],
        "Service.KillMode": ["none"],
        "Service.EnvironmentFile": ["/etc/environment"],
        "Service.ExecStartPre": [
            f"-/usr/bin/docker kill {container}",
            f"-/usr/bin/docker rm {container}",
            f"/usr/bin/docker pull {image}",
        ],
        "Service.ExecStart": [f"/usr/bin/docker run --name {container} {run}"],
        "Service.ExecStop": [f"/usr/bin/docker stop {container}"],
    }


EXPECTED = {
    "templates/apache@.service": {
        "Unit.Requires": ["etcd.service", "docker.service", "apache-discovery@%i.service"],
        "Unit.After": ["etcd.service", "docker.service"],
        "Unit.Before": ["apache-discovery@%i.service"],
        **contained(
            "apache.%i",
            f"-p {PRIVATE}:%i:80 user_name/apache /usr/sbin/apache2ctl -D FOREGROUND",
            "user_name/apache",
        ),
        "X-Fleet.Conflicts": ["apache@*.service"],
    },
    "static/nginx_lb.service": {
        "Unit.Requires": ["etcd.service", "docker.service"],
        "Unit.After": ["etcd.service", "docker.service"],
        **contained(
            "nginx_lb",
            f"-p {PUBLIC}:80:80 user_name/nginx_lb /usr/local/bin/confd-watch",
            "user_name/nginx_lb",
        ),
        "X-Fleet.Conflicts": ["nginx.service", "apache@*.service"],
    },
}


@pytest.mark.claim("C1", "C7")
@pytest.mark.parametrize("unit", EXPECTED)
def test_a_unit_has_the_article_s_options(unit: str) -> None:
    assert options(FOLDER / unit) == EXPECTED[unit]


@pytest.mark.claim("C2")
def test_the_sidekick_has_the_article_s_options_key_and_times() -> None:
    found = options(FOLDER / "templates/apache-discovery@.service")
    (loop,) = found.pop("Service.ExecStart")
    assert found == {
        "Unit.Requires": ["etcd.service", "apache@%i.service"],
        "Unit.After": ["etcd.service", "apache@%i.service"],
        "Unit.BindsTo": ["apache@%i.service"],
        "Service.EnvironmentFile": ["/etc/environment"],
        "Service.ExecStop": [f"/usr/bin/etcdctl rm /services/apache/{PRIVATE}"],
        "X-Fleet.MachineOf": ["apache@%i.service"],
    }
    assert re.search(rf"curl .*{re.escape(PRIVATE)}:%i; then", loop)
    assert f"etcdctl set /services/apache/{PRIVATE} {PRIVATE}:%i --ttl {TTL:.0f};" in loop
    assert f"else etcdctl rm /services/apache/{PRIVATE};" in loop
    assert f"sleep {LOOK:.0f};" in loop


@pytest.mark.claim("C3")
def test_an_instance_is_a_link_to_its_template() -> None:
    script = steps(GUIDE.read_text())["instances"].script
    assert "for port in 7777 8888" in script
    for template in (FOLDER / "templates").iterdir():
        instance = template.name.replace("@.", "@$port.")
        assert f"ln -s ../templates/{template.name} {instance}\n" in script


def test_every_file_that_the_guide_points_to_is_there() -> None:
    assert missing_targets(GUIDE) == []
