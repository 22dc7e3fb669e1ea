"""What a container writes to: a layer above the box and a copy of its images; and a spare of both.

Run as a program (`python -m lab.providers.disks FOLDER DOCKER`) it makes the spare, so that the next
`lab reset` waits neither for a copy nor for the removal of what the machine has written.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from lab import processes
from lab.copying import clone, discard

LAYERS = ("overlay2",)  # Docker never writes into a layer in place; its databases it does
MAKER = "LAB_SPARE"  # in the environment of the process that makes a machine's spare
RETIRED = "retired-"


def make(folder: Path, docker: Path) -> Path:
    """A fresh disk in `folder`, from the spare if there is one; returns it.

    `docker` is the box's /var/lib/docker. What was there is put aside, and removed with the next spare.
    """
    disk = folder / "disk"
    if disk.exists():
        retire(disk)
    spare = folder / "spare"
    if not spare.exists():
        _fill(spare, docker)
    return spare.rename(disk)


def retire(path: Path) -> None:
    """Put a tree aside under a name of its own."""
    path.rename(Path(tempfile.mkdtemp(prefix=RETIRED, dir=path.parent)) / path.name)


def start_spare(lab: Path, folder: Path, docker: Path) -> None:
    """Make a spare in the background, with what no other process wants of the host's time."""
    processes.start(
        ["chrt", "--idle", "0", sys.executable, "-m", __name__, str(folder), str(docker)],
        folder=lab,
        log=folder / "spare.log",
        env={MAKER: folder.name, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


def stop_spare(lab: Path, folder: Path) -> None:
    """End the making of a spare, so that nobody but us changes the folder."""
    processes.kill(processes.marked(lab, {MAKER: folder.name}))


def _fill(disk: Path, docker: Path) -> None:
    part = disk.with_name(disk.name + ".part")
    if part.exists():
        retire(part)
    for name in ("upper/etc/lab", "work"):
        (part / name).mkdir(parents=True)
    clone(docker, part / "docker", LAYERS)
    part.rename(disk)


def main(folder: Path, docker: Path) -> None:
    """Remove what was put aside, and make a spare."""
    for retired in folder.glob(RETIRED + "*"):
        discard(retired)
    if not (folder / "spare").exists():
        _fill(folder / "spare", docker)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
