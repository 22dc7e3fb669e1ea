"""Keeps the stages of boxes on disk: each is made whole or not at all, by one builder at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.copying import discard
from lab.errors import UserError
from lab.shell import run

PARTIAL = ".part"
SIZE = "size"  # a file in each stage
LOCKS = ".locks"
NEEDED = 4 * 1024**3  # bytes that a box from nothing takes on disk at most, its temporary files included


@dataclass(frozen=True)
class Stages:
    """The folder of the stages, `boxes/`; a stage is a folder in it, named after its kind and key."""

    folder: Path

    def ensure(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of stage `name`; if it is missing, `make` fills the empty folder it is given."""
        place = self.folder / name
        if place.is_dir():
            return place
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._hold(name):
            if place.is_dir():
                return place  # another builder has just made it
            self.sweep()
            self._check_space()
            part = self.folder / f"{name}{PARTIAL}"
            discard(part)
            part.mkdir()
            try:
                make(part)
                (part / SIZE).write_text(str(_walk(part)))
                part.rename(place)
            finally:
                discard(part)
        return place

    def size(self, name: str) -> int:
        """Bytes on disk; noted when the stage was made, as it takes a second to count them."""
        note = self.folder / name / SIZE
        with contextlib.suppress(OSError, ValueError):
            return int(note.read_text())
        size = _walk(self.folder / name)
        with contextlib.suppress(OSError):  # not root's
            note.write_text(str(size))
        return size

    def remove(self, name: str) -> None:
        """Remove a stage; a crash midway leaves something that the next build sweeps away."""
        with self._hold(name):
            part = self.folder / f"{name}{PARTIAL}"
            discard(part)
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).rename(part)
            discard(part)
            self._lock_file(name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what builders left that were killed; what a living one works on is locked, and stays."""
        for part in sorted(self.folder.glob(f"*{PARTIAL}")):
            name = part.name.removesuffix(PARTIAL)
            with contextlib.suppress(BlockingIOError), self._hold(name, wait=False):
                discard(part)

    def names(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        found = (path for path in self.folder.iterdir() if path.is_dir() and path.name != LOCKS)
        return sorted(path.name for path in found if path.suffix != PARTIAL)

    @contextlib.contextmanager
    def _hold(self, name: str, wait: bool = True) -> Iterator[None]:
        path = self._lock_file(name)
        path.parent.mkdir(exist_ok=True)
        while True:
            with path.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                # Whoever held it may have removed the file: a lock on a name that is gone protects nothing.
                if not path.exists() or os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                    continue
                yield
                return

    def _lock_file(self, name: str) -> Path:
        return self.folder / LOCKS / name

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < NEEDED:
            raise UserError(
                f"{self.folder}: {free / 1024**3:.1f} GB free, a box needs {NEEDED / 1024**3:.0f} GB; "
                "make room or set LAB_HOME to another disk"
            )


def _walk(folder: Path) -> int:
    """Bytes on disk below a folder, a file with several names counted once."""
    seen = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(parent, name))  # noqa: PTH118 - a box has 50,000 files
            seen[status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


def sealed(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    network: bool = True,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a builder's command where its mounts and processes end with it, and it ends with this process.

    Without `network` it has a loopback interface of its own, down, and nothing else.
    """
    seal = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--ipc"]
    seal += ["--pid", "--fork", "--kill-child", "--mount-proc", *([] if network else ["--net"]), "--"]
    return run([*seal, *argv], timeout=timeout, env=env)
