"""Daemons of a machine that stop or die: etcd's members, Docker, and any other process by its unit."""

from __future__ import annotations

from lab.errors import UserError
from lab.faults.base import Kind
from lab.faults.units import revive
from lab.node import Node
from lab.roles import Target, view
from lab.running import Lab


class MemberStopped(Kind):
    """A clean stop: a leader hands over before it goes."""

    name = "member-stopped"
    summary = "stop etcd on machines; healed by starting it"
    default = "follower"

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        for name in target.machines:
            lab[name].run("systemctl stop etcd.service", sudo=True)

    def heal(self, lab: Lab, target: Target) -> None:
        # all at once, and then each to its end: of several, none is ready before a majority is there
        for wait in ("--no-block ", ""):
            for name in target.machines:
                lab[name].run(f"systemctl start {wait}etcd.service", sudo=True)
        revive(lab, target)  # systemd stops what requires etcd along with it, and leaves it so


class LeaderLost(MemberStopped):
    """The leader's process is killed and kept away: the others notice by their election time-out."""

    name = "leader-lost"
    summary = "kill etcd's leader and keep it away; healed by starting it"
    default = "leader"

    def check(self, lab: Lab, target: Target, amount: str) -> str:
        leader = view(lab).leader()
        if target.machines != (leader,):
            raise UserError(
                f"{self.name}: {target} does not lead etcd, {leader or 'nobody'} does; "
                f"{MemberStopped.name} is for any member"
            )
        return super().check(lab, target, amount)

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        for name in target.machines:
            # the stop comes before systemd's restart after 500 ms; there is nothing left to stop cleanly
            lab[name].run(f"{_kill('etcd.service')}; systemctl stop etcd.service", sudo=True)


class DockerKilled(Kind):
    """systemd starts it again; containers live on, but those who wait for them in the foreground do not."""

    name = "docker-killed"
    summary = "kill the Docker daemon of machines; systemd starts it again"

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        for name in target.machines:
            lab[name].run(_kill("docker.service"), sudo=True)

    def heal(self, lab: Lab, target: Target) -> None:
        for name in target.machines:
            _start(lab[name], "docker.service")
        revive(lab, target)


class ProcessKilled(Kind):
    """The main process of a systemd unit, for example of `coreos-1:fleet.service`."""

    name = "process-killed"
    summary = "kill the main process of a systemd unit; its own Restart= decides what follows"
    needs_what = True

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        for name in target.machines:
            lab[name].run(_kill(target.what), sudo=True)

    def heal(self, lab: Lab, target: Target) -> None:
        for name in target.machines:
            if _known(lab[name], target.what):  # fleet may have moved it elsewhere meanwhile
                _start(lab[name], target.what)
        revive(lab, target)


def _kill(unit: str) -> str:
    return f"systemctl kill --kill-who=main --signal=KILL '{unit}'"


def _start(node: Node, unit: str) -> None:
    """Wait out a restart that is under way, and start what would stay away."""
    node.run(["systemctl", "start", unit], sudo=True)


def _known(node: Node, unit: str) -> bool:
    return node.output(["systemctl", "show", "--value", "--property=LoadState", unit]) == "loaded"
