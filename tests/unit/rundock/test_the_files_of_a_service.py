"""The run scripts that rundock writes: a shell takes them, and they say what the arguments say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.waiting import eventually
from scenarios.rundock.module_utils.rundock_files import Service

PLAIN = Service("web", "user/web:1")
ANNOUNCED = Service("influxdb", "influxdb", "--volumes-from data.influxdb", announce=8086)
SERVICES = [
    PLAIN,
    ANNOUNCED,
    Service("grafana", "grafana", announce=8087, port=80, check="/health?a='b'", announce_as="public"),
    Service("inside", "image", announce=80, announce_as="container", check="tcp", ttl=8),
]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_shell_understands_every_script(service: Service, tmp_path: Path) -> None:
    for name, text in service.files().items():
        script = tmp_path / name.replace("/", "-")
        script.write_text(text)
        done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), name


def test_a_service_without_an_announcement_is_one_and_one_with_it_is_three() -> None:
    assert set(PLAIN.files()) == {"run", "finish", "control/t", "log/run"}
    inner = {"services/service/run", "services/service/finish", "services/service/control/t"}
    assert set(ANNOUNCED.files()) == {"run", "log/run", "services/announce/run", *inner}


def test_the_announced_port_is_published_on_the_announced_address() -> None:
    run = {service.name: _run(service) for service in SERVICES}
    assert '-p "$ANNOUNCE_IP:8086:8086" influxdb' in run["influxdb"]
    assert "--volumes-from data.influxdb" in run["influxdb"]
    assert "ANNOUNCE_IP=$PRIVATE_IP" in run["influxdb"]
    assert '-p "$ANNOUNCE_IP:8087:80" grafana' in run["grafana"]
    assert "ANNOUNCE_IP=$PUBLIC_IP" in run["grafana"]
    assert " -p " not in run["inside"]
    assert " -p " not in run["web"]


def test_the_key_is_the_domain_backwards() -> None:
    assert ANNOUNCED.key("node-back-1") == "/skydns/com/example/prod/s/influxdb/node-back-1"


def test_the_announcer_repeats_after_three_quarters_of_the_ttl() -> None:
    text = ANNOUNCED.files()["services/announce/run"]
    assert "-d ttl=60" in text
    assert "announce && pause 45 || pause 2" in text


@pytest.mark.parametrize("ttl", [8, 12, 20, 60, 3600])
def test_with_a_check_the_next_look_comes_before_the_ttl_is_over(ttl: int) -> None:
    text = Service("web", "web", announce=80, check="tcp", ttl=ttl).files()["services/announce/run"]
    again = int(text.split("SECONDS - announced)) -ge ")[1].split()[0])
    pause = int(text.split("pause $((announced ? ")[1].split()[0])
    assert again + pause < ttl


def test_the_announcer_says_goodbye_when_it_is_stopped(tmp_path: Path) -> None:
    """Run for real, with a `curl` that only writes down what it is asked."""
    script = tmp_path / "run"
    script.write_text(ANNOUNCED.files()["services/announce/run"])
    asked = tmp_path / "asked"
    for name, text in (
        ("curl", f'#!/bin/sh\necho "$*" >>{asked}\n'),
        ("ip", '#!/bin/sh\necho "3: eth1 inet 10.1.0.103/24 brd"\n'),
        ("hostname", "#!/bin/sh\necho node-back-1\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen(["bash", str(script)], env=environment, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: asked.exists() and asked.read_text(), 10, "an announcement", every=0.02)
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    put, delete = asked.read_text().splitlines()
    key = "http://127.0.0.1:4001/v2/keys/skydns/com/example/prod/s/influxdb/node-back-1"
    assert "-X PUT" in put
    assert 'value={"host": "10.1.0.103", "port": 8086} -d ttl=60' in put
    assert put.endswith(key)
    assert "-X DELETE" in delete
    assert delete.endswith(key)


def _run(service: Service) -> str:
    files = service.files()
    return files.get("services/service/run", files["run"])
