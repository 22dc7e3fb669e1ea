"""Ansible, runit and SkyDNS as the article's tests see them: playbooks, the module, names, pages."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.errors import MachineError
from lab.node import Node
from lab.running import Lab
from lab.waiting import eventually
from scenarios.guide import Reader
from scenarios.setting import clocks, page

FOLDER = Path(__file__).parent
GUIDE = FOLDER / "README.md"
DOMAIN = "s.prod.example.com"
PLAYBOOKS = ("base.yml", "services.yml", "fronts.yml")
KEYS = "/skydns/com/example/prod/s"
FRONTS = ("node-front-1", "node-front-2")
BACKS = ("node-back-1", "node-back-2")
PORT = 8087  # of the dashboard
ETCD = ("node-front-1", "node-front-2", "node-back-1")
DASHBOARD = {
    "image": "rundock/dashboard",
    "args": "-e INFLUXDB_HOST=influxdb.s.prod.example.com -e INFLUXDB_NAME=metrics",
}
PATIENCE, PATIENCE_EMULATED = 60.0, 300.0
INTERVAL, INTERVAL_EMULATED = (
    0.05,
    0.2,
)  # seconds: each page is a question to InfluxDB, by a program in Python
PLAYED, PLAYED_EMULATED = 600.0, 1800.0  # seconds for one command of Ansible's
ANSWER = re.compile(r"^(?P<host>\S+) \| (?P<how>[A-Z!]+)(?: \| rc=\d+)? ?=> (?P<json>\{.*\})\s*$", re.DOTALL)


@dataclass(frozen=True)
class Outcome:
    """What Ansible says about one call of a module on one machine; `seen` is what a look at it then gave."""

    ok: bool
    changed: bool
    message: str
    result: dict[str, Any]
    text: str
    seen: str = ""


@dataclass(frozen=True)
class Call:
    """A call of the module rundock among others of one play; `check` and `diff` are Ansible's modes."""

    arguments: dict[str, Any]
    check: bool = False
    diff: bool = False


class Site:
    """The four machines, with the article's playbooks played."""

    def __init__(self, lab: Lab, reader: Reader, tools: Path) -> None:
        self.lab = lab
        self.reader = reader
        self._plays = (tools / f"play-{number}.json" for number in itertools.count())
        self._path = f"{tools}:{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"

    @property
    def interval(self) -> float:
        """Seconds between two requests of a client that asks without pause."""
        return INTERVAL_EMULATED if self.lab.provider.emulated else INTERVAL

    @property
    def patience(self) -> float:
        """Seconds for anything that starts containers."""
        return PATIENCE_EMULATED if self.lab.provider.emulated else PATIENCE

    @property
    def clocks(self) -> float:
        """Seconds by which two machines may disagree about the time, by which etcd reckons a TTL."""
        return clocks(self.lab)

    def module(self, host: str, *flags: str, **arguments: Any) -> Outcome:
        """Run the module rundock on a machine; `flags` are Ansible's, such as --check."""
        given = {"wait": int(self.patience), **arguments}
        command = ["ansible", host, "--become", "-m", "rundock", "-a", json.dumps(given), *flags]
        done = self.ansible(*command)
        text = done.stdout
        match = ANSWER.search(text[text.index(f"{host} | ") :] if f"{host} | " in text else "")
        if match is None:
            raise MachineError(f"`{' '.join(command)}` said: {text}{done.stderr}")
        return _outcome(match["how"] in ("SUCCESS", "CHANGED"), json.loads(match["json"]), text)

    def modules(self, host: str, calls: Sequence[Call], look: str = "true") -> list[Outcome]:
        """Run the module rundock several times, all in one play, whatever each of them says.

        After each call the shell script `look` is run on the machine, as root. Each outcome has the text that
        the whole play has printed. Raises MachineError if the play ends early.
        """
        play, answers = next(self._plays), next(self._plays)
        tasks: list[dict[str, Any]] = []
        for number, call in enumerate(calls):
            rundock = {"wait": int(self.patience), **call.arguments}
            modes = {"check_mode": call.check, "diff": call.diff, "ignore_errors": True}
            tasks.append({"rundock": rundock, "register": f"call_{number}", **modes})
            tasks.append({"shell": look, "register": f"look_{number}", "changed_when": False})
        each = ", ".join(f"[call_{number}, look_{number}.stdout]" for number in range(len(calls)))
        content = f"{{{{ [{each}] | to_json }}}}"
        tasks.append(
            {"copy": {"content": content, "dest": str(answers)}, "delegate_to": "localhost", "become": False}
        )
        play.write_text(json.dumps([{"hosts": host, "become": True, "gather_facts": False, "tasks": tasks}]))
        text = self.playbook(str(play))
        pairs = json.loads(answers.read_text())
        return [_outcome(not result.get("failed"), result, text, seen) for result, seen in pairs]

    def dashboard(self, host: str, **more: Any) -> Outcome:
        """Have the dashboard on a machine as `service` does."""
        return self.service("grafana", host, **{"announce": PORT, **more})

    def service(self, name: str, host: str, **more: Any) -> Outcome:
        """Have a service on a machine as services.yml has it, but for the arguments that are given.

        Raises MachineError if the module fails.
        """
        plays = yaml.safe_load((FOLDER / "services.yml").read_text())
        tasks = (task["rundock"] for play in plays for task in play["tasks"] if "rundock" in task)
        (wanted,) = (task for task in tasks if task["name"] == name)
        out = self.module(host, **{**wanted, **more})
        if not out.ok:
            raise MachineError(f"{name} on {host}: {out.message}")
        return out

    def stands(self) -> bool:
        """Whether the playbooks have been played since the machines were last made anew."""
        return self.lab["node-back-2"].run("test -L /etc/service/docker-grafana", check=False).code == 0

    def playbook(self, *words: str) -> str:
        """Play some of the article's playbooks in turn; what was printed. Raises MachineError if one fails.

        `words` are their names, and flags of Ansible's.
        """
        done = self.ansible("ansible-playbook", *words)
        if done.returncode:
            raise MachineError(
                f"ansible-playbook {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-3000:]}"
            )
        return done.stdout

    def ansible(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's commands in the article's folder, as the guide does."""
        environment = {**os.environ, "PATH": self._path, "LAB_NAME": self.lab.name}
        within = PLAYED_EMULATED if self.lab.provider.emulated else PLAYED
        try:
            return subprocess.run(
                command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=within
            )
        except subprocess.TimeoutExpired as late:
            raise MachineError(
                f"`{' '.join(command)}` was not done after {within:.0f} s: {late.stdout!r}"
            ) from None

    def address(self, name: str) -> str:
        """A machine's private address."""
        return str(self.lab.specs[name].machine.private)

    def front(self, name: str, port: int = 80) -> str:
        """Where a user of the lab finds a front."""
        return f"http://{self.lab.specs[name].machine.public}:{port}/"

    def ask(self, service: str, kind: str = "A", *flags: str, on: str = "node-front-1") -> list[str]:
        """What SkyDNS says on a machine, each record's data on a line, sorted."""
        lines = self.lab[on].output(["dig", "+short", "+time=3", *flags, f"{service}.{DOMAIN}", kind])
        return sorted(line for line in lines.splitlines() if not line.startswith(";"))

    def wait_for_names(self, service: str, *addresses: str, on: str = "node-front-1") -> None:
        """Return when SkyDNS gives just these addresses."""
        __tracebackhide__ = True
        eventually(
            lambda: self.ask(service, on=on) == sorted(addresses),
            self.patience,
            f"{service}.{DOMAIN} is {', '.join(addresses) or 'nobody'}",
            ignoring=(MachineError,),
        )

    def key(self, service: str, host: str) -> Any:
        """The announcement of a service on a machine, None if there is none."""
        return self.lab.etcd.get(f"{KEYS}/{service}/{host}", quorum=True)

    def announced(self, service: str, host: str) -> Any:
        """The announcement of a service on a machine, as soon as there is one."""
        __tracebackhide__ = True
        what = f"{service} is announced by {host}"
        return eventually(lambda: self.key(service, host), self.patience, what)

    def page(self, url: str) -> str:
        """What a client in the lab's network gets from a URL. Raises RequestException."""
        return page(self.lab, url)

    def container(self, node: Node, name: str) -> str:
        """The id of a running container, "" if there is none."""
        said = node.run(["docker", "inspect", "-f", "{{.State.Running}} {{.Id}}", name], check=False).stdout
        running, _, ident = said.strip().partition(" ")
        return ident if running == "true" else ""

    def write_point(self, value: float) -> None:
        """Write a point to InfluxDB by its name, from a machine that does not run it."""
        url = f"http://influxdb.{DOMAIN}:8086/write?db=metrics"
        self.lab["node-back-2"].run(
            ["curl", "--silent", "--fail", "--max-time", "10", "--data-binary", f"load value={value}", url]
        )

    def points(self) -> int:
        """How many points InfluxDB has."""
        url = f"http://influxdb.{DOMAIN}:8086/query?db=metrics"
        question = "q=SELECT count(value) FROM load"
        said = self.lab["node-back-2"].output(
            ["curl", "-sS", "--fail", "--max-time", "10", "-G", url, "--data-urlencode", question]
        )
        (result,) = json.loads(said)["results"]
        return int(result["series"][0]["values"][0][1]) if "series" in result else 0


def _outcome(ok: bool, result: dict[str, Any], text: str, seen: str = "") -> Outcome:
    return Outcome(ok, bool(result.get("changed")), str(result.get("msg", "")), result, text, seen)
