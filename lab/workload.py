"""Writes, reads and counts in etcd from several clients at once, and keeps what each was told, and when."""

from __future__ import annotations

import random
import re
import threading
import time
from types import TracebackType
from typing import Any

import requests

from lab.etcd import PORT
from lab.health import Void
from lab.linear import Operation
from lab.running import Lab
from lab.waiting import eventually

ROOT = "/workload"
REGISTERS = 3
TIMEOUT, TIMEOUT_EMULATED = 2.0, 12.0  # seconds: longer than an election, so that few outcomes are unknown
PAUSE = (
    0.02  # seconds between a client's operations: some tens a second in all, so that a history stays small
)
ENOUGH = 100  # acknowledged operations below which a run has shown nothing
COUNTER, SET = f"{ROOT}/counter", f"{ROOT}/set"


class Workload:
    """`with Workload(lab) as work:` has two clients at each member until the block is left.

    They go by the control network, which no fault touches: the minority of a partition has clients, too.
    """

    def __init__(self, lab: Lab, *, seed: int = 0) -> None:
        self.history: list[Operation] = []
        self._lab = lab
        self._timeout = TIMEOUT_EMULATED if lab.provider.emulated else TIMEOUT
        self._stop = threading.Event()
        self._lock = threading.Lock()
        places = {
            name: str(spec.machine.control)
            for name, spec in lab.specs.items()
            if spec.machine.etcd == "member"
        }
        self._threads = [
            threading.Thread(target=self._work, args=(f"{name}/{number}", address, seed), daemon=True)
            for name, address in places.items()
            for number in (1, 2)
        ]

    def __enter__(self) -> Workload:
        self._lab.etcd.delete(ROOT, recursive=True)
        start = time.monotonic()
        self._lab.etcd.set(COUNTER, "0")
        self.history.append(Operation("the lab", COUNTER, "write", "0", start, time.monotonic()))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(3 * self._timeout)

    def acknowledged(self) -> int:
        return sum(operation.outcome == "ok" for operation in list(self.history))

    def wait_for(self, count: int, within: float) -> None:
        """Return once that many more operations have been acknowledged."""
        before = self.acknowledged()
        eventually(lambda: self.acknowledged() >= before + count, within, f"{count} more operations")

    def begun_since(self, moment: float) -> list[Operation]:
        """The operations that were begun after that moment (monotonic) and have ended by now."""
        return [operation for operation in list(self.history) if operation.start >= moment]

    def registers(self) -> list[Operation]:
        """What was done to the registers and the counter, whose history must be linearizable."""
        return [one for one in self.history if not one.key.startswith(SET)]

    def counting(self) -> list[Operation]:
        return [one for one in self.history if one.key == COUNTER]

    def singles(self) -> list[Operation]:
        """Writes to keys of their own, each once: none that was acknowledged may be lost."""
        return [one for one in self.history if one.key.startswith(SET)]

    def require_enough(self) -> None:
        """Raise Void if too little was done for a check to mean anything."""
        if self.acknowledged() < ENOUGH:
            raise Void(f"void: {self.acknowledged()} operations were acknowledged, {ENOUGH} are needed")

    def _work(self, client: str, address: str, seed: int) -> None:
        chosen = random.Random(f"{seed} {client}")
        number = 0
        with self._lab.http() as session:
            asked = _Client(client, f"http://{address}:{PORT}/v2/keys", session, self._timeout)
            while not self._stop.wait(PAUSE):
                number += 1
                register = f"{ROOT}/register-{chosen.randrange(REGISTERS)}"
                act = chosen.choice(("write", "read", "swap", "count", "single"))
                done: list[Operation] = []
                if act == "write":
                    done = [asked.write(register, f"{client}-{number}")]
                elif act == "read":
                    done = [asked.read(register)]
                elif act == "single":
                    done = [asked.write(f"{SET}/{client.replace('/', '-')}-{number}", "x")]
                else:
                    key = register if act == "swap" else COUNTER
                    before = asked.read(key)
                    done = [before]
                    if before.outcome == "ok" and before.value is not None:
                        after = f"{client}-{number}" if act == "swap" else str(int(before.value) + 1)
                        done.append(asked.swap(key, before.value, after))
                with self._lock:
                    self.history += done


class _Client:
    """One client of one member. Reads are quorum reads: the others are stale by design, and etcd says so."""

    def __init__(self, name: str, url: str, session: requests.Session, timeout: float) -> None:
        self._name = name
        self._url = url
        self._session = session
        self._timeout = timeout  # seconds for one request

    def read(self, key: str) -> Operation:
        start, outcome, answer = self._ask("GET", key, params={"quorum": "true"})
        value = answer.get("node", {}).get("value")
        if answer.get("errorCode") == 100:
            outcome = "ok"
        return Operation(self._name, key, "read", value, start, time.monotonic(), outcome)  # type: ignore[arg-type]

    def write(self, key: str, value: str) -> Operation:
        start, outcome, _ = self._ask("PUT", key, data={"value": value})
        return Operation(self._name, key, "write", value, start, time.monotonic(), outcome)  # type: ignore[arg-type]

    def swap(self, key: str, expected: str, value: str) -> Operation:
        form = {"value": value, "prevValue": expected}
        start, outcome, answer = self._ask("PUT", key, data=form)
        end = time.monotonic()
        if answer.get("errorCode") == 101:  # it held something else, which etcd names: "[expected != actual]"
            found = re.fullmatch(r"\[(.*) != (.*)\]", str(answer.get("cause", "")))
            if found:
                return Operation(self._name, key, "read", found[2], start, end)
        return Operation(self._name, key, "swap", value, start, end, outcome, expected)  # type: ignore[arg-type]

    def _ask(self, method: str, key: str, **options: Any) -> tuple[float, str, dict[str, Any]]:
        """When it began, how it ended, and etcd's answer. Only what was never sent is sure to have failed."""
        start = time.monotonic()
        try:
            response = self._session.request(method, self._url + key, timeout=self._timeout, **options)
            answer: dict[str, Any] = response.json()
        except (requests.exceptions.ConnectTimeout, requests.exceptions.ConnectionError) as problem:
            refused = "refused" in str(problem) or isinstance(problem, requests.exceptions.ConnectTimeout)
            return start, "failed" if refused else "unknown", {}
        except (requests.RequestException, ValueError):
            return start, "unknown", {}
        code = int(answer.get("errorCode", 0))
        if not code:
            return start, "ok", answer
        return start, "failed" if code in (100, 101, 105) else "unknown", answer  # 3xx: raft, nobody knows
