"""The lab's image registry: Debian's docker-registry, answering to Docker Hub's names, on no machine."""

from __future__ import annotations

from pathlib import Path

from lab import netns, processes
from lab.box import Box
from lab.copying import clone, discard
from lab.topology import Topology
from lab.waiting import eventually

MARK = "LAB_REGISTRY"  # in the environment of its process
PORT = 443
BLOBS = ("docker/registry/v2/blobs",)  # named after their content; all else is rewritten in place
START_WITHIN = 10.0  # seconds; it takes 0.1 s on an idle machine
PLACE = "/mnt"  # inside the box's root, where the registry's folder is seen by it

CONFIGURATION = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {place}/registry}}
  delete: {{enabled: true}}
http:
  addr: {address}:{port}
  tls: {{certificate: {place}/ca/registry.pem, key: {place}/ca/registry.key}}
"""


def start(topology: Topology, folder: Path, namespace: str, box: Box) -> None:
    """Start the registry on the lab's private address, seeded with the images of the box.

    It runs from the box's root, with the lab's folder mounted in a mount namespace of its own: the host
    need not have it installed, and nothing stays mounted when it ends.
    """
    address = str(topology.lab_address("private").ip)
    storage = folder / "registry"
    if not storage.exists():
        clone(box.registry, storage, BLOBS)
    (folder / "registry.yml").write_text(CONFIGURATION.format(place=PLACE, address=address, port=PORT))
    root = box.layers()[-1]
    serve = f"exec chroot {root} docker-registry serve {PLACE}/registry.yml"
    inside = f"mount --bind {folder} {root}{PLACE} && {serve}"
    processes.start(
        ["unshare", "--mount", "--propagation", "slave", "--"] + netns.command(namespace, "sh", "-c", inside),
        folder=folder,
        log=folder / "registry.log",
        env={MARK: "1"},
    )


def renew(topology: Topology, folder: Path, namespace: str, box: Box) -> None:
    """Start over with the images of the box: whatever was pushed is gone."""
    processes.kill(processes.marked(folder, {MARK: "1"}))
    discard(folder / "registry")
    start(topology, folder, namespace, box)


def wait(topology: Topology, namespace: str) -> None:
    """Return when the registry takes connections."""
    address = (str(topology.lab_address("private").ip), PORT)

    def answers() -> bool:
        netns.connect(namespace, address, 1.0).close()
        return True

    eventually(answers, START_WITHIN, "the registry answers", every=0.02, ignoring=(OSError,))
