"""A libvirtd that belongs to one lab: its own view of processes, mounts, devices and network.

Everything it starts lives in one process namespace, whose first process is the keeper below. The end of
that process is the end of libvirtd, of every QEMU, and of a `vagrant up` that is under way, however the
harness itself ended: the kernel sees to it. No mount and no control group of the host is touched.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from lab import netns, processes
from lab.errors import MachineError, UserError
from lab.waiting import eventually

SOCKET_LIMIT = 107  # bytes of a path that the kernel takes for a unix socket
READY_WITHIN = 20.0  # seconds; 0.1 is usual
FOLDERS = (
    *("run", "dev", "cache", "log", "lib/images"),
    *("etc/qemu/networks/autostart", "etc/storage/autostart"),
)
HIDDEN = ("/run", "/dev", "/sys", "/proc")  # the keeper puts its own there

# User libvirt-qemu: libvirtd insists on it although its configuration names another, and only the package
# that starts a system-wide libvirtd makes it.
KEEPER = r"""
set -eu
home=$1 kvm=$2
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 devices "$home/dev"
cd "$home/dev"
nodes="null zero full random urandom tty"
[ "$kvm" = no ] || nodes="$nodes kvm vhost-net"
mkdir pts shm net
for node in $nodes net/tun; do
    [ -e "/dev/$node" ] || continue
    : > "$node"
    mount --bind "/dev/$node" "$node"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts pts
mount -t tmpfs shm shm
ln -s pts/ptmx ptmx
ln -s /proc/self/fd fd
cd /
mount --move "$home/dev" /dev
for place in lib log cache; do
    mkdir -p "/var/$place/libvirt"
    mount --bind "$home/$place" "/var/$place/libvirt"
done
mkdir -p /etc/libvirt
mount --bind "$home/etc" /etc/libvirt
for file in passwd group; do
    cp "/etc/$file" "$home/$file"
    mount --bind "$home/$file" "/etc/$file"
done
grep -q ^libvirt-qemu: /etc/group || echo libvirt-qemu:x:64055: >> /etc/group
grep -q ^libvirt-qemu: /etc/passwd || echo libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin >> /etc/passwd
mount --bind "$home/run" /run
libvirtd &
# an init: it waits for whatever its own children leave behind
while :; do sleep 3600 & wait $!; done
"""

QEMU_CONF = """
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""

LIBVIRTD_CONF = """
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""

POOL = """
<pool type='dir'>
  <name>default</name>
  <target><path>/var/lib/libvirt/images</path></target>
</pool>
"""

CONTROL = """
<network>
  <name>control</name>
  <forward mode='bridge'/>
  <bridge name='control'/>
  <port isolated='yes'/>
</network>
"""


class PrivateLibvirt:
    """The libvirtd of the lab in `folder`, in the network namespace `namespace`."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.folder = folder
        self.home = folder / "libvirt"
        self.namespace = namespace
        self.socket = self.home / "run/libvirt/libvirt-sock"
        self.images = self.home / "lib/images"
        self.log = self.home / "log/libvirtd.log"
        self._connection: Any = None
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.socket}"

    def write(self) -> None:
        """Write the configuration, with the pool and the control network that libvirtd starts at once."""
        self._check_place()
        for name in FOLDERS:
            (self.home / name).mkdir(parents=True, exist_ok=True)
        (self.home / "etc/qemu.conf").write_text(QEMU_CONF)
        (self.home / "etc/libvirtd.conf").write_text(LIBVIRTD_CONF)
        for folder, name, xml in (("qemu/networks", "control", CONTROL), ("storage", "default", POOL)):
            (self.home / f"etc/{folder}/{name}.xml").write_text(xml)
            link = self.home / f"etc/{folder}/autostart/{name}.xml"
            if not link.is_symlink():
                link.symlink_to(f"/etc/libvirt/{folder}/{name}.xml")

    def start(self, kvm: bool) -> None:
        """Start the daemon and wait until it answers; `kvm` lets it see the host's KVM."""
        if shutil.which("libvirtd") is None:
            raise UserError("libvirtd is missing; `apt install libvirt-daemon libvirt-daemon-driver-qemu`")
        shutil.rmtree(self.home / "run")
        (self.home / "run").mkdir()
        (self.home / "keeper.log").write_text("")
        processes.start(
            netns.command(
                self.namespace,
                *("unshare", "--mount", "--propagation", "private"),
                *("--pid", "--fork", "--kill-child", "--mount-proc"),
                *("sh", "-c", KEEPER, "keeper", str(self.home), "yes" if kvm else "no"),
            ),
            folder=self.folder,
            log=self.home / "keeper.log",
            env={"LAB_PART": "libvirtd"},
        )
        eventually(self._answers, READY_WITHIN, f"libvirtd of this lab answers (log: {self.log})")

    def running(self) -> bool:
        return bool(self._keeper())

    def stop(self) -> int:
        """Kill the daemon and all that lives with it; returns how many machines and daemons that were."""
        self._connection = None
        keeper = self._keeper()
        killed = len(_family(keeper[0])) if keeper else 0
        # the first process of the namespace goes last from the kernel's table: when it is gone, all are
        processes.kill(keeper[:1])
        processes.kill(processes.marked(self.folder, {"LAB_PART": "libvirtd"}))
        return killed

    def command(self, *argv: str) -> list[str]:
        """`argv`, to be run where the daemon runs. The working directory there is `/`."""
        keeper = self._keeper()
        if not keeper:
            raise MachineError("this lab's libvirtd does not run; `lab down` and `lab up` make it anew")
        return ["nsenter", f"--target={keeper[0]}", "--net", "--mount", "--pid", "--", *argv]

    def connection(self) -> Any:
        """A connection of libvirt's own API, kept while it works."""
        with self._lock:
            if self._connection is None or not self._connection.isAlive():
                self._connection = self._open()
            return self._connection

    def _open(self) -> Any:
        libvirt = api()
        try:
            return libvirt.open(self.uri)
        except libvirt.libvirtError as problem:
            raise MachineError(f"this lab's libvirtd does not answer: {problem} (log: {self.log})") from None

    def _answers(self) -> bool:
        if not self._keeper() and (said := (self.home / "keeper.log").read_text().strip()):
            raise MachineError(f"the keeper of this lab's libvirtd ended: {said[-500:]}")
        if not self.socket.exists():
            return False
        libvirt = api()
        try:
            self._connection = libvirt.open(self.uri)
        except libvirt.libvirtError:
            return False
        return True

    def _keeper(self) -> list[int]:
        """The first process of the daemon's process namespace, by its id on the host."""
        found = processes.marked(self.folder, {"LAB_PART": "libvirtd"})
        return [pid for pid in found if _is_first(pid)]

    def _check_place(self) -> None:
        if len(str(self.socket)) > SOCKET_LIMIT:
            raise UserError(
                f"{self.socket} is {len(str(self.socket))} characters long, and a socket's path may have"
                f" {SOCKET_LIMIT}; set LAB_HOME to a shorter folder"
            )
        if self.home.resolve().parts[:2] in [Path(place).parts for place in HIDDEN]:
            raise UserError(f"{self.home}: a lab of virtual machines cannot live there; set LAB_HOME")


def api() -> Any:
    """libvirt's Python module; without its habit of printing every error that we handle."""
    try:
        import libvirt
    except ImportError:
        raise UserError("the Python package libvirt-python is missing; `./run` installs it") from None
    libvirt.registerErrorHandler(_silent, None)
    return libvirt


def _silent(_context: Any, _error: Any) -> None:
    pass


def _is_first(pid: int) -> bool:
    """Whether a process is number 1 of a process namespace below ours."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    numbers = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
    return len(numbers) > 1 and numbers[-1] == "1"


def _family(first: int) -> list[int]:
    """All processes of the process namespace whose first process is `first`."""
    try:
        wanted = Path(f"/proc/{first}/ns/pid").readlink()
    except OSError:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "ns/pid").readlink() == wanted:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
