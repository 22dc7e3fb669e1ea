"""One machine over SSH: run commands, put files, wait for units and ports, reboot."""

from __future__ import annotations

import contextlib
import select
import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import paramiko

from lab import netns
from lab.errors import MachineError
from lab.waiting import Deadline, eventually

CONNECT_WITHIN = 15.0  # one try; a longer one would be slow to see that a machine has booted
# The key exchange and each new session take an emulated machine a second, and many while containers start.
GREET_SHARE = 0.25  # of the time that a command has where its caller names none
KEEPALIVE = 5  # seconds between signs of life, so that a machine without power is noticed
RUN_WITHIN, RUN_WITHIN_EMULATED = (
    60.0,
    300.0,
)  # an emulated machine needs up to half a minute for `docker run`
REBOOT_WITHIN = 300.0  # shutdown and boot of an emulated machine beside two busy ones
USER = "core"


@dataclass(frozen=True)
class Result:
    """What a command printed and how it ended."""

    command: str
    code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.code == 0


class ConnectionLost(MachineError):
    """The machine went away, or cannot be reached over SSH."""


class Node:
    """A machine that answers SSH at `address` inside the network namespace `namespace`.

    `within` is how many seconds a command or a wait has where its caller names no time.
    """

    def __init__(
        self, name: str, address: str, key: Path, namespace: str, within: float = RUN_WITHIN
    ) -> None:
        self.name = name
        self.address = address
        self.key = key
        self.namespace = namespace
        self.within = within
        self._transport: paramiko.Transport | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Node {self.name}>"

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = True,
        sudo: bool = False,
        timeout: float | str | None = None,
        input: str = "",
    ) -> Result:
        """Run a shell command (or a list of words) as user core, or as root with `sudo`.

        Raises MachineError if it fails (unless `check` is false) or is not done within `timeout`, and
        ConnectionLost if the machine cannot be reached or goes away meanwhile.
        """
        __tracebackhide__ = True
        line = command if isinstance(command, str) else shlex.join(command)
        if sudo:
            line = f"sudo -n sh -c {shlex.quote(line)}"
        result = self._execute(line, Deadline(self._time(timeout)), input.encode())
        if check and not result.ok:
            said = (result.stderr.strip() or result.stdout.strip())[-2000:] or "nothing"
            raise MachineError(f"{self.name}: `{line}` ended with {result.code}; it said: {said}")
        return result

    def output(self, command: str | Sequence[str], **options: Any) -> str:
        """Standard output of a command that must succeed, without the white space around it."""
        __tracebackhide__ = True
        return self.run(command, **options).stdout.strip()

    def put(self, content: str | bytes | Path, target: str, *, mode: int = 0o644, sudo: bool = False) -> None:
        """Write text, bytes or a file of the host to `target`, making the folders above it."""
        data = content.read_bytes() if isinstance(content, Path) else content
        if isinstance(data, str):
            data = data.encode()
        place = shlex.quote(target)
        line = f'mkdir -p "$(dirname {place})" && cat > {place} && chmod {mode:o} {place}'
        line = f"sudo -n sh -c {shlex.quote(line)}" if sudo else line
        result = self._execute(line, Deadline(self.within), data)
        if not result.ok:
            raise MachineError(f"{self.name}: cannot write {target}: {result.stderr.strip()}")

    def put_folder(self, folder: Path, target: str) -> None:
        """Copy a folder of the host, files below it included, to `target`."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                self.put(path, f"{target}/{path.relative_to(folder)}", mode=mode)

    def wait_until_succeeds(self, command: str, within: float | str | None = None) -> Result:
        """Run a command until it ends with 0, and return that result."""
        __tracebackhide__ = True
        return eventually(
            lambda: self._succeeded(command),
            self._time(within),
            f"{self.name}: `{command}` succeeds",
            ignoring=(ConnectionLost, MachineError),
        )

    def wait_for_unit(self, unit: str, within: float | str | None = None) -> None:
        """Return when a systemd unit is active; raises MachineError at once if it has failed."""
        __tracebackhide__ = True

        def active() -> bool:
            state = self.run(["systemctl", "is-active", unit], check=False).stdout.strip()
            if state == "failed":
                journal = self.run(
                    f"journalctl --no-pager -n 20 -u {shlex.quote(unit)}", sudo=True, check=False
                )
                raise UnitFailed(f"{self.name}: {unit} has failed; its journal ends:\n{journal.stdout}")
            return state == "active"

        eventually(active, self._time(within), f"{self.name}: {unit} is active", ignoring=(ConnectionLost,))

    def wait_for_port(self, port: int, address: str = "", within: float | str | None = None) -> None:
        """Return when a TCP port of the machine (or of `address`) takes connections, seen from the lab."""
        __tracebackhide__ = True
        place = (address or self.address, port)

        def opens() -> bool:
            netns.connect(self.namespace, place, 1.0).close()
            return True

        eventually(opens, self._time(within), f"{self.name}: port {port} is open", ignoring=(OSError,))

    def wait_for_ssh(self, within: float | str = REBOOT_WITHIN) -> None:
        """Return when commands can be run."""
        __tracebackhide__ = True
        eventually(
            lambda: self.run("true").ok,
            within,
            f"{self.name}: answers SSH",
            every=0.05,
            ignoring=(ConnectionLost,),
        )

    def boot_id(self) -> str:
        """The kernel's mark of this boot."""
        return self.output("cat /proc/sys/kernel/random/boot_id")

    def reboot(self, within: float | str = REBOOT_WITHIN) -> str:
        """Reboot cleanly; returns the new boot id once the machine has it and answers SSH."""
        __tracebackhide__ = True
        before = self.boot_id()
        with contextlib.suppress(ConnectionLost):  # sshd may be gone before it has said how the command ended
            self.run("systemctl reboot", sudo=True, check=False, timeout=within)
        return self.wait_for_boot(before, within)

    def wait_for_boot(self, before: str, within: float | str = REBOOT_WITHIN) -> str:
        """Return the boot id once it is another than `before`."""
        __tracebackhide__ = True

        def rebooted() -> str:
            now = self.boot_id()
            if now == before:
                self.disconnect()
                return ""
            return now

        return eventually(
            rebooted, within, f"{self.name}: has rebooted", ignoring=(ConnectionLost, MachineError)
        )

    @cached_property
    def host(self) -> Any:
        """The machine as a testinfra host, over this node's own connection."""
        from lab.inspection import host

        return host(self)

    def disconnect(self) -> None:
        """Forget the connection; the next command makes a new one."""
        with self._lock:
            if self._transport is not None:
                self._transport.close()
            self._transport = None

    def _time(self, within: float | str | None) -> float | str:
        return self.within if within is None else within

    def _succeeded(self, command: str) -> Result | None:
        result = self.run(command, check=False)
        if result.ok:
            return result
        raise MachineError(f"ended with {result.code}: {(result.stderr or result.stdout).strip()[-500:]}")

    def _execute(self, line: str, deadline: Deadline, data: bytes) -> Result:
        try:
            channel = self._channel(deadline)
            if data:
                channel.exec_command(line)
                channel.sendall(data)
                channel.shutdown_write()
            else:  # an end of input for a channel that has just closed makes sshd drop all that share it
                channel.exec_command(f"exec </dev/null\n{line}")
            return self._collect(channel, line, deadline)
        except (paramiko.SSHException, EOFError, OSError) as problem:
            self.disconnect()
            raise ConnectionLost(
                f"{self.name}: no SSH connection ({problem or type(problem).__name__})"
            ) from None

    def _collect(self, channel: paramiko.Channel, line: str, deadline: Deadline) -> Result:
        """Read both streams together: a command that fills the one nobody reads would never end."""
        out, err = bytearray(), bytearray()
        while True:
            ready = False
            if channel.recv_ready():
                out += channel.recv(1 << 16)
                ready = True
            if channel.recv_stderr_ready():
                err += channel.recv_stderr(1 << 16)
                ready = True
            if ready:
                continue
            if channel.exit_status_ready() and (channel.eof_received or channel.closed):
                if channel.recv_ready() or channel.recv_stderr_ready():
                    continue
                break
            if channel.closed:
                break
            if deadline.expired():
                channel.close()
                seen = (err or out)[-500:].decode(errors="replace").strip() or "nothing"
                raise MachineError(
                    f"{self.name}: `{line}` was not done after {deadline.within:g} s; it said: {seen}"
                )
            select.select([channel], [], [], min(0.1, deadline.left()))
        code = channel.exit_status
        channel.close()
        if code < 0:
            self.disconnect()
            raise ConnectionLost(f"{self.name}: went away, or a signal ended the command, during `{line}`")
        return Result(line, code, out.decode(errors="replace"), err.decode(errors="replace"))

    def _channel(self, deadline: Deadline) -> paramiko.Channel:
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                self._transport = self._connect(deadline)
            transport = self._transport
        return transport.open_session(timeout=self._greeting(deadline))

    def _greeting(self, deadline: Deadline) -> float:
        return min(self.within * GREET_SHARE, deadline.left() or 0.1)

    def _connect(self, deadline: Deadline) -> paramiko.Transport:
        within = min(CONNECT_WITHIN, deadline.left() or 0.1)
        connection = netns.connect(self.namespace, (self.address, 22), within)
        timeout = self._greeting(deadline)
        transport = paramiko.Transport(connection)
        transport.banner_timeout = timeout
        transport.handshake_timeout = timeout
        transport.auth_timeout = timeout
        try:
            transport.start_client(timeout=timeout)
            transport.auth_publickey(USER, paramiko.Ed25519Key.from_private_key_file(str(self.key)))
            transport.set_keepalive(KEEPALIVE)
        except BaseException:
            transport.close()
            raise
        return transport


class UnitFailed(MachineError):
    """A unit that was waited for has failed; waiting on would be in vain."""
