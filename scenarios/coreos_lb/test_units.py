"""The guide's units say what the article's do: same names, same options, same order. No machine is needed."""

from __future__ import annotations

import pytest

from scenarios.coreos_lb.article import FOLDER, GUIDE, TTL
from scenarios.files import missing_targets, options

PRIVATE = "${COREOS_PRIVATE_IPV4}"
STALE = ["-/usr/bin/docker kill %n", "-/usr/bin/docker rm %n"]
STOP = ["/usr/bin/docker stop -t 3 %n"]
ENVIRONMENT = {"Service.EnvironmentFile": ["/etc/environment"]}

EXPECTED = {
    "apache.service": {
        "Unit.After": ["docker.service"],
        "Unit.Requires": ["docker.service"],
        **ENVIRONMENT,
        "Service.ExecStartPre": [
            "-/usr/bin/docker kill apache-%i",
            "-/usr/bin/docker rm apache-%i",
            f"/usr/bin/etcdctl set /test/apache-%i {PRIVATE}:%i",
        ],
        "Service.ExecStart": [
            f"/usr/bin/docker run --rm --name apache-%i -p {PRIVATE}:%i:80 "
            "dash/apache /usr/sbin/apache2ctl -D FOREGROUND"
        ],
        "Service.ExecStop": [
            "/usr/bin/etcdctl rm /test/apache-%i",
            "/usr/bin/docker stop -t 3 apache-%i",
        ],
    },
    "confdata.service": {
        "Unit.After": ["docker.service"],
        "Unit.Requires": ["docker.service"],
        **ENVIRONMENT,
        "Service.Type": ["oneshot"],
        "Service.RemainAfterExit": ["yes"],
        "Service.ExecStartPre": ["-/usr/bin/docker rm conf-data"],
        "Service.ExecStart": [
            '/usr/bin/docker run -v /etc/nginx --name conf-data nginx echo "the volume is there"'
        ],
    },
    "confd.service": {
        "Unit.After": ["confdata.service"],
        "Unit.Requires": ["confdata.service"],
        **ENVIRONMENT,
        "Service.ExecStartPre": STALE,
        "Service.ExecStart": [
            f"/usr/bin/docker run --rm -e COREOS_PRIVATE_IPV4={PRIVATE} "
            "-v /var/run/docker.sock:/var/run/docker.sock --volumes-from=conf-data --name %n "
            "lordelph/confd-demo"
        ],
        "Service.ExecStop": STOP,
        "Service.Restart": ["on-failure"],
        "X-Fleet.MachineOf": ["confdata.service"],
    },
    "nginx.service": {
        "Unit.After": ["confd.service"],
        **ENVIRONMENT,
        "Service.ExecStartPre": STALE,
        "Service.ExecStart": ["/usr/bin/docker run --name %n -p 80:80 --volumes-from=conf-data nginx"],
        "Service.ExecStop": STOP,
        "Service.Restart": ["on-failure"],
        "X-Fleet.MachineOf": ["confdata.service"],
    },
}


@pytest.mark.claim("E3", "E4", "E5", "E6")
@pytest.mark.parametrize("unit", EXPECTED)
def test_a_unit_has_the_article_s_options(unit: str) -> None:
    assert options(FOLDER / "units" / unit) == EXPECTED[unit]


def test_there_are_no_other_units() -> None:
    assert sorted(path.name for path in (FOLDER / "units").iterdir()) == sorted(EXPECTED)


@pytest.mark.claim("E10")
def test_the_cure_gives_the_article_s_key_a_time_to_live() -> None:
    cure = options(FOLDER / "cure/apache-key@.service")
    (loop,) = cure["Service.ExecStart"]
    assert f"etcdctl set /test/apache-%i {PRIVATE}:%i --ttl {TTL:.0f};" in loop
    assert cure["Unit.BindsTo"] == ["apache@%i.service"]


def test_every_file_that_the_guide_points_to_is_there() -> None:
    assert missing_targets(GUIDE) == []
