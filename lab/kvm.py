"""Finds out whether KVM really works here: that its device exists proves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import selectors
import shutil
import subprocess
from pathlib import Path

from lab import store
from lab.waiting import Deadline

DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
FIRST_LINE_WITHIN = 5.0  # seconds; where KVM works the first line is there after half a second
SIGN = b"Linux version"


def works(kernel: Path | None, folder: Path | None = None) -> tuple[bool, str]:
    """Whether a guest with `kernel` boots with KVM, and the reason in words for the user.

    The answer is kept in `folder` (by default LAB_HOME) until the host boots again; without a kernel to
    try, only a kept answer or a missing device is an answer.
    """
    if reason := _missing():
        return False, reason
    kept = (folder or store.home()) / "kvm.json"
    boot = BOOT_ID.read_text().strip()
    with contextlib.suppress(OSError, ValueError, KeyError):
        answer = json.loads(kept.read_text())
        if answer["boot"] == boot:
            return bool(answer["works"]), str(answer["reason"])
    if kernel is None:
        return False, "KVM has not been tried yet, as there is no box to try it with"
    if not kernel.is_file():
        return False, f"KVM cannot be tried: {kernel} is not there"
    answered, reason = try_boot(kernel)
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps({"boot": boot, "works": answered, "reason": reason}))
    part.replace(kept)
    return answered, reason


def try_boot(kernel: Path, accelerator: str = "kvm", within: float = FIRST_LINE_WITHIN) -> tuple[bool, str]:
    """Boot `kernel` and wait for its first line on an early serial console."""
    cpu = "host" if accelerator == "kvm" else "qemu64"
    process = subprocess.Popen(
        [qemu(), "-accel", accelerator, "-cpu", cpu, "-m", "256", "-nodefaults", "-no-user-config"]
        + ["-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", str(kernel)]
        + ["-append", "console=ttyS0 earlyprintk=serial,ttyS0,115200"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said = _listen(process, within)
    finally:
        process.kill()
        process.communicate()
    if SIGN in said:
        return True, f"a kernel boots with {accelerator.upper()}"
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    if process.returncode != -9 and lines:
        return False, f"{DEVICE} exists, but QEMU cannot use it: {_plain(lines[-1])}"
    return False, f"{DEVICE} exists, but a kernel booted with it said nothing for {within:g} s"


def qemu() -> str:
    return f"qemu-system-{platform.machine()}"


def _missing() -> str:
    if not DEVICE.exists():
        return f"{DEVICE} does not exist"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return f"{DEVICE} may not be opened by this user"
    if shutil.which(qemu()) is None:
        return f"{qemu()} is not installed"
    return ""


def _plain(complaint: str) -> str:
    """QEMU's complaint without its own name and the line of its source."""
    return re.sub(r"^(\S+: )?(\S+:\d+: )?", "", complaint.strip())[:120]


def _listen(process: subprocess.Popen[bytes], within: float) -> bytes:
    """What the guest, or QEMU itself, says until the kernel's first line, its end or the deadline."""
    assert process.stdout is not None
    deadline = Deadline(within)
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while SIGN not in said and selector.select(deadline.left()):
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                process.wait(timeout=5)
                break
            said += chunk
    return said
