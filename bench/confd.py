"""How fast confd follows a change, and what rendering many keys costs, on a real etcd of its own.

Usage: python bench/confd.py [watch] [render] [--changes N] [--json]. Needs root, for the box's etcd, or an
installed etcd. Exit code 1 if an aim is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "provision" / "stack")]

from tests.stack.conftest import Etcd, etcd_command, free_ports  # noqa: E402

LATENCY_AIM = 0.2  # seconds from etcd's answer to the new file, the slowest of all
CHANGES = 200
SIZES = (10, 100, 1_000, 10_000)
RUNS = 7
GROWTH_AIM = 2.0  # how much more a key may cost among 10,000 than among 1,000
TEMPLATE = '{{range getvs "/web/*"}}server {{.}};\n{{end}}'
# One pass in a process of its own, timed from within: reading etcd, then all of the rest.
PASS = """
import json, sys, time
from pathlib import Path
from confd import flags, settings
from confd.apply import Applier
from confd.backend import open_backend
from confd.log import Log
from confd.resource import read
own, _ = settings.load(flags.parse(sys.argv[1:]), {})
log = Log("error")
backend, applier = open_backend(own, log), Applier(own, log)
def peak():  # since the start of this program, unlike getrusage's, which a parent passes on
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
it, _ = read(own.resource_folder + "/app.toml", own)
applier.apply(it, {"/web/warm": "up"})
before = peak()
started = time.perf_counter()
reading = backend.read(it.keys)
read_at = time.perf_counter()
applier.apply(it, reading.values)
done = time.perf_counter()
print(json.dumps([read_at - started, done - read_at, before, peak()]))
"""


@dataclass(frozen=True)
class Latency:
    """Seconds from etcd's answer to the new file."""

    changes: int
    median: float
    ninety_nine: float
    longest: float

    @property
    def met(self) -> bool:
        return self.longest < LATENCY_AIM


@dataclass(frozen=True)
class Cost:
    """One pass over so many keys: medians in seconds, memory in MiB before and at its peak."""

    keys: int
    read: float
    render: float
    before: float
    peak: float


def main(words: list[str]) -> int:
    """Measure what is asked for; returns 1 if an aim was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=["watch", "render", []], default=[])
    parser.add_argument("--changes", type=int, default=CHANGES)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    cases = options.cases or ["watch", "render"]
    say = (lambda line: print(line, file=sys.stderr, flush=True)) if options.json else print
    say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    found: dict[str, object] = {}
    met = True
    with tempfile.TemporaryDirectory(prefix="confd-bench-") as name, running_etcd(Path(name)) as etcd:
        folder = Path(name)
        prepare(folder)
        if "watch" in cases:
            latency = follow(folder, etcd, options.changes)
            found["watch"] = asdict(latency)
            met = met and latency.met
            say(
                f"watch, {latency.changes} changes: median {latency.median * 1000:.1f} ms, "
                f"99 % {latency.ninety_nine * 1000:.1f} ms, longest {latency.longest * 1000:.1f} ms "
                f"(aim: below {LATENCY_AIM * 1000:.0f} ms): {'met' if latency.met else 'MISSED'}"
            )
        if "render" in cases:
            costs = [render(folder, etcd, size) for size in SIZES]
            found["render"] = [asdict(cost) for cost in costs]
            for cost in costs:
                say(
                    f"one pass, {cost.keys} keys: read {cost.read * 1000:.1f} ms, "
                    f"render and write {cost.render * 1000:.1f} ms; memory {cost.before:.1f} MiB, "
                    f"peak {cost.peak:.1f} MiB"
                )
            growth = per_key(costs[-1]) / per_key(costs[-2])
            met = met and growth <= GROWTH_AIM
            found["growth"] = growth
            say(
                f"a key among {costs[-1].keys} costs {growth:.2f} times one among {costs[-2].keys} "
                f"(aim: at most {GROWTH_AIM:g}): {'met' if growth <= GROWTH_AIM else 'MISSED'}"
            )
    if options.json:
        print(json.dumps(found))
    return 0 if met else 1


def follow(folder: Path, etcd: Etcd, changes: int) -> Latency:
    """Change a key again and again, each time when the file has followed."""
    client, dest = etcd.client(), folder / "app.conf"
    client.set("/web/a", "start")
    seen: list[float] = []
    with confd(folder, etcd, "-watch", "-log-level", "error"):
        wait_until(dest, "server start;\n")
        for number in range(changes):
            client.set("/web/a", str(number))
            answered = time.perf_counter()
            wait_until(dest, f"server {number};\n")
            seen.append(time.perf_counter() - answered)
    client.delete("/web", recursive=True)
    seen.sort()
    return Latency(changes, statistics.median(seen), seen[int(len(seen) * 0.99) - 1], seen[-1])


def render(folder: Path, etcd: Etcd, keys: int) -> Cost:
    """The cost of one pass, the median of several processes."""
    client = etcd.client()
    present = {node.key for node in client.get("/", recursive=True).node.leaves()}
    for number in range(keys):
        key = f"/web/10.{number // 65536}.{number // 256 % 256}.{number % 256}"
        if key not in present:
            client.set(key, f"{key[5:]}:8080")
    runs = []
    for _ in range(RUNS):
        (folder / "app.conf").unlink(missing_ok=True)
        ended = subprocess.run(
            [sys.executable, "-S", "-c", PASS, *words(folder, etcd)],
            env=environment(),
            check=True,
            capture_output=True,
            timeout=120,
        )
        runs.append(json.loads(ended.stdout))
        lines = (folder / "app.conf").read_text().count("\n")
        if lines != keys:
            raise SystemExit(f"{lines} lines of {keys}: the bench measures something else than it says")
    return Cost(keys, *(statistics.median(run[place] for run in runs) for place in range(4)))


def per_key(cost: Cost) -> float:
    return (cost.read + cost.render) / cost.keys


def prepare(folder: Path) -> None:
    """A confdir with one resource."""
    for name in ("conf.d", "templates"):
        (folder / name).mkdir()
    (folder / "templates/app.tmpl").write_text(TEMPLATE)
    (folder / "conf.d/app.toml").write_text(
        f'[template]\nsrc = "app.tmpl"\ndest = "{folder}/app.conf"\nkeys = ["/web"]\n'
    )


def words(folder: Path, etcd: Etcd) -> list[str]:
    return ["-confdir", str(folder), "-node", etcd.endpoint]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "provision" / "stack")}


def wait_until(path: Path, text: str) -> None:
    """Look at the file every millisecond, for ten seconds at most."""
    deadline = time.perf_counter() + 10
    while time.perf_counter() < deadline:
        with contextlib.suppress(FileNotFoundError):
            if path.read_text() == text:
                return
        time.sleep(0.001)
    raise SystemExit(f"confd did not write {text!r} within 10 s")


@contextlib.contextmanager
def confd(folder: Path, etcd: Etcd, *flags: str) -> Iterator[None]:
    """A running confd."""
    command = [sys.executable, "-S", "-m", "confd", *words(folder, etcd), *flags]
    process = subprocess.Popen(command, env=environment())
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@contextlib.contextmanager
def running_etcd(folder: Path) -> Iterator[Etcd]:
    """An etcd on loopback, its data in the folder."""
    port, peer_port = free_ports(2)
    server = Etcd(etcd_command(), folder, port, peer_port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
