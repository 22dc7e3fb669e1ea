#!/usr/bin/python3
"""Ansible module: keeps a Docker container running under runit, and announces it in SkyDNS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rundock
short_description: Keep a Docker container running under runit and announce it in SkyDNS
description:
  - Writes a runit service C(docker-NAME) below C(/etc/sv). An enabled service is a symbolic link in
    C(/etc/service), which runsvdir watches.
  - The service removes a stale container of that name, pulls the image, and runs it in the foreground; runit
    starts it again when it ends. Its log is C(/var/log/docker-NAME/current).
  - With I(announce), the service is a runsvdir with two services of its own, the container and an announcer
    that keeps a key with a TTL in etcd; they are stopped together, and the key goes first.
options:
  state:
    description:
      - C(present) installs the service, C(enabled) installs and runs it, C(disabled) stops it, C(absent)
        removes it.
      - A service whose files differ from what is wanted is stopped, installed again, and runs on if it did.
    type: str
    required: true
    choices: [present, absent, enabled, disabled]
  name:
    description: Name of the service, the container, and its label in DNS.
    type: str
    required: true
  image:
    description: The image, as C(docker pull) takes it.
    type: str
    required: true
  args:
    description:
      - More arguments for C(docker run), as in a shell; C($PRIVATE_IP) and C($PUBLIC_IP) are the machine's.
    type: str
    default: ""
  announce:
    description: The port to announce, and to publish on the announced address; none by default.
    type: int
  announce_as:
    description: Which address is announced. A port of C(container) is not published.
    type: str
    choices: [private, public, container]
    default: private
  port:
    description: The container's own port, where it differs from I(announce).
    type: int
  check:
    description:
      - C(none) announces whatever happens to the container. C(tcp) announces it as long as its port takes
        connections, a path that begins with C(/) as long as GET of it succeeds. It looks every 5 seconds,
        and every 2 before it has announced it.
    type: str
    default: none
  domain:
    description: The domain in which the service is announced, as NAME.DOMAIN and HOSTNAME.NAME.DOMAIN.
    type: str
    default: s.prod.example.com
  ttl:
    description: Seconds that an announcement outlives its announcer, which repeats it after three quarters.
    type: int
    default: 60
  etcd:
    description: Client URLs of etcd, asked in this order.
    type: list
    elements: str
    default: ["http://127.0.0.1:4001"]
  private_interface:
    description: The interface with the private address; the public address is taken where it has none.
    type: str
    default: eth1
  public_interface:
    description: The interface with the public address.
    type: str
    default: eth0
  wait:
    description:
      - Seconds within which a service that is enabled must run. One that has ended three times by then fails
        at once; it is not left enabled. 0 does not wait.
    type: int
    default: 60
attributes:
  check_mode: {support: full, description: Says what would change, and changes nothing.}
  diff_mode: {support: full, description: Shows each file of the service that changes.}
requirements: [runit, docker, curl on the machine]
"""

EXAMPLES = r"""
- name: InfluxDB, its data in a container of its own, announced as influxdb.s.prod.example.com
  rundock:
    state: enabled
    name: influxdb
    image: rundock/influxdb
    args: --volumes-from data.influxdb
    announce: 8086
    check: /ping

- name: A page whose container serves port 80, on port 8087 of the private address
  rundock:
    state: enabled
    name: grafana
    image: rundock/dashboard
    args: -e INFLUXDB_HOST=influxdb.s.prod.example.com
    announce: 8087
    port: 80
"""

RETURN = r"""
files:
  description: The service's files.
  returned: for present and enabled
  type: list
  elements: str
enabled:
  description: Whether runsvdir is told to run the service, after this task.
  returned: always
  type: bool
"""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.rundock_files import STATE, Service

SERVICES = Path("/etc/sv")
ENABLED = Path("/etc/service")
LOGS = Path("/var/log")
STOP_WITHIN = 60  # seconds for the announcer's goodbye and the container's end
STEADY = 2.0  # seconds that a container must have run to count as running
ENDS = 3  # times that a container may end before its service counts as failed
ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"required": True, "choices": ["present", "absent", "enabled", "disabled"]},
    "name": {"required": True},
    "image": {"required": True},
    "args": {"default": ""},
    "announce": {"type": "int"},
    "announce_as": {"default": "private", "choices": ["private", "public", "container"]},
    "port": {"type": "int"},
    "check": {"default": "none"},
    "domain": {"default": "s.prod.example.com"},
    "ttl": {"type": "int", "default": 60},
    "etcd": {"type": "list", "elements": "str", "default": ["http://127.0.0.1:4001"]},
    "private_interface": {"default": "eth1"},
    "public_interface": {"default": "eth0"},
    "wait": {"type": "int", "default": 60},
}


class Failure(Exception):
    """The machine did not do what it must; the text says what was seen."""


class Installed:
    """The service on this machine: its files, its link, and what runit says about it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.place = SERVICES / f"docker-{service.name}"
        self.link = ENABLED / f"docker-{service.name}"

    @property
    def enabled(self) -> bool:
        return self.link.is_symlink()

    def files(self) -> dict[str, str]:
        """The files that are there, runit's own left out."""
        paths = (path for path in sorted(self.place.rglob("*")) if "supervise" not in path.parts)
        return {
            str(path.relative_to(self.place)): path.read_text(errors="replace")
            for path in paths
            if path.is_file()
        }

    def write(self) -> None:
        """Put the wanted files in the place of whatever is there; the service is stopped."""
        self.remove()
        made = self.place.with_name(self.place.name + ".new")
        shutil.rmtree(made, ignore_errors=True)
        for name, text in self.service.files().items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        made.rename(self.place)

    def remove(self) -> None:
        """Remove the service, stopped."""
        self.disable()
        shutil.rmtree(self.place, ignore_errors=True)

    def disable(self) -> None:
        """Stop the service and have runsvdir forget it."""
        if self.enabled:
            self.link.unlink()
        if not (self.place / "supervise").is_dir():
            return
        words = ["sv", "-w", str(STOP_WITHIN), "shutdown", str(self.place)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=STOP_WITHIN + 30)
        said = done.stdout.strip() or done.stderr.strip()
        if done.returncode and "runsv not running" not in said and "unable to open supervise" not in said:
            raise Failure(f"it did not stop: {said}")

    def enable(self, within: int) -> None:
        """Have runsvdir run the service, and wait until it does; a service that fails is disabled again."""
        ends = Path(STATE, self.service.name)
        ends.unlink(missing_ok=True)
        ENABLED.mkdir(exist_ok=True)
        self.link.symlink_to(self.place)
        deadline = time.monotonic() + within
        since: tuple[str, float] = ("", 0.0)
        while within:
            started = self._started()
            now = time.monotonic()
            if started != since[0]:
                since = (started, now)
            if started and now - since[1] >= STEADY:
                return
            failed = len(ends.read_text().splitlines()) if ends.exists() else 0
            if failed >= ENDS or now > deadline:
                why = f"its container ended {failed} times" if failed else f"it does not run after {within} s"
                said = self._log_tail()
                self.disable()
                raise Failure(f"{why}; it is not enabled. Its log ends: {said}")
            time.sleep(0.1)

    def _started(self) -> str:
        """When the container was started; empty while it does not run."""
        words = ["docker", "inspect", "--format", "{{json .State}}", self.service.name]
        done = subprocess.run(words, capture_output=True, text=True)
        state = json.loads(done.stdout) if done.returncode == 0 else {}
        return str(state["StartedAt"]) if state.get("Running") else ""

    def _log_tail(self) -> str:
        path = LOGS / f"docker-{self.service.name}" / "current"
        if not path.exists():
            return "(there is none: does runsvdir run? systemctl start runit)"
        lines = path.read_text(errors="replace").splitlines()[-8:]
        return " | ".join(line.partition(" ")[2].strip() for line in lines)


def main() -> None:
    """Read the arguments, bring the service into the wanted state, say what changed."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS, supports_check_mode=True, required_by={"port": "announce"}
    )
    given = dict(module.params)
    state, within = given.pop("state"), given.pop("wait")
    mistake = _mistake(given, within)
    if mistake:
        module.fail_json(msg=f"rundock {given['name']}: {mistake}")
    installed = Installed(Service(**given))
    try:
        module.exit_json(**_reach(installed, state, within, module.check_mode))
    except (Failure, OSError, subprocess.TimeoutExpired) as problem:
        module.fail_json(msg=f"rundock {given['name']}: {problem}")


def _reach(installed: Installed, state: str, within: int, dry: bool) -> dict[str, Any]:
    """Make the state true (or only find out, if `dry`); what Ansible is told."""
    before, ran = installed.files(), installed.enabled
    wanted = installed.service.files() if state in ("present", "enabled") else {}
    if state == "disabled":
        wanted = before
    runs = state == "enabled" or (state == "present" and ran)
    rewrite = wanted != before
    if not dry:
        if state == "absent" and (before or ran):
            installed.remove()
        elif rewrite:
            installed.write()
        elif ran and not runs:
            installed.disable()
        if runs and not installed.enabled:
            installed.enable(within)
    names = [name for name in sorted({*before, *wanted}) if before.get(name) != wanted.get(name)]
    diff = [_difference(installed.place / name, before.get(name, ""), wanted.get(name, "")) for name in names]
    if ran != runs:
        to = f"-> {installed.place}\n"
        diff.append(_difference(installed.link, to if ran else "", to if runs else ""))
    return {
        "changed": rewrite or ran != runs,
        "enabled": runs,
        "files": [str(installed.place / name) for name in sorted(wanted)],
        "diff": diff,
    }


def _difference(place: Path, before: str, after: str) -> dict[str, str]:
    return {"before_header": str(place), "after_header": str(place), "before": before, "after": after}


def _mistake(given: dict[str, Any], within: int) -> str:
    """What contradicts itself or cannot be, in one line; empty if nothing does."""
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    patterns = {
        "name": (label, "a label of DNS: small letters, digits and dashes"),
        "image": (r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", "the name of an image"),
        "domain": (rf"{label}(\.{label})*\.?", "a domain"),
        "check": (r"none|tcp|/[!-~]*", "none, tcp, or a path that begins with /"),
        "private_interface": (r"[A-Za-z0-9._@-]{1,15}", "an interface"),
        "public_interface": (r"[A-Za-z0-9._@-]{1,15}", "an interface"),
    }
    for field, (pattern, what) in patterns.items():
        if not re.fullmatch(pattern, given[field]):
            return f"{field}: {what} wanted, not {given[field]!r}"
    for field in ("announce", "port"):
        if given[field] is not None and not 0 < given[field] < 65536:
            return f"{field}: 1 to 65535 wanted, not {given[field]}"
    if "\n" in given["args"]:
        return "args: one line wanted"
    if given["ttl"] < 8:
        return f"ttl: 8 seconds at least, not {given['ttl']}"
    if within < 0:
        return f"wait: seconds wanted, not {within}"
    if given["announce"] is None and given["check"] != "none":
        return "check: nothing is announced; give announce, or leave check out"
    if given["announce_as"] == "container" and given["port"] not in (None, given["announce"]):
        return (
            "port: announce_as=container publishes no port; announce the container's own, and leave port out"
        )
    for url in given["etcd"] or [""]:
        if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+/?", url):
            return f"etcd: http://HOST:PORT wanted, not {url!r}"
    return ""


if __name__ == "__main__":
    main()
