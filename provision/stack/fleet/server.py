"""One fleetd: heart, agent, engine, publisher and API of a machine, put together and taken down in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Coroutine, Sequence
from typing import Any

from etcdv2.aio import Client
from fleet import VERSION, http, tls
from fleet.agent import Agent
from fleet.api import Api
from fleet.backend import Backend
from fleet.cluster import Machine
from fleet.config import Config
from fleet.engine import Engine
from fleet.follow import Follower
from fleet.heart import Heart
from fleet.host import default_address
from fleet.mirror import Mirror
from fleet.publisher import Publisher
from fleet.registry import Registry
from fleet.retries import Retries
from fleet.tasks import end

log = logging.getLogger("fleet.server")
# Slow units may take their time: systemd ends fleetd after TimeoutStopSec in any case.
FINISH = 80.0


class Server:
    """Built from a configuration; `start`, then `drain` (clean end) or `leave` (units stay)."""

    def __init__(self, config: Config, machine: str, boot: str, backend: Backend) -> None:
        """Raises ConfigError for files of TLS that cannot be used."""
        self._config = config
        self._boot = boot
        self._client = Client(
            config.etcd_servers,
            timeout=config.etcd_request_timeout,
            tls=tls.context(config),
            credentials=(config.etcd_username, config.etcd_password) if config.etcd_username else None,
        )
        self._backend = backend
        registry = Registry(self._client, config.etcd_key_prefix)
        self._mirror = Mirror(config.etcd_key_prefix)
        self._follower = Follower(self._client, self._mirror)
        self._me = Machine(machine, config.public_ip or default_address(), config.metadata)
        ttl = config.agent_ttl
        patience = config.etcd_request_timeout
        machines = self._follower.subscribe("machines")
        self._heart = Heart(registry, machine, self._describe, ttl, machines, patience)
        self._publisher = Publisher(registry, machine, ttl, patience)
        self._agent = Agent(
            registry,
            self._follower,
            self._heart,
            self._publisher,
            backend,
            self._me,
            ttl,
            Retries(patience),
            stop_when_cut_off=config.stop_when_cut_off,
        )
        interval = config.engine_reconcile_interval
        self._engine = Engine(registry, self._follower, self._heart, machine, interval, Retries(patience))
        api = Api(registry, self._follower, self._heart, config.token_limit)
        self._connections = http.Connections(api.handle)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._listening: list[asyncio.AbstractServer] = []
        self.failed = asyncio.Event()

    async def start(self, sockets: Sequence[socket.socket], patience: float = 0.0) -> None:
        """Take requests from now on, or within `patience` when they need not be refused any more.

        Raises UnitError if systemd cannot be reached.
        """
        await self._agent.open()
        self._run("follower", self._follower.run())
        self._run("heart", self._heart.run())
        self._run("publisher", self._publisher.run())
        self._run("agent", self._agent.run())
        self._run("rebirth", self._republish())
        if not self._config.disable_engine:
            self._run("engine", self._engine.run())
        if patience:
            await self._able(patience)
        for each in sockets:
            # A copy: closing the server must not close what a reload goes on with.
            copy = each.dup()
            opener = asyncio.start_unix_server if each.family == socket.AF_UNIX else asyncio.start_server
            self._listening.append(await opener(self._connections.serve, sock=copy))

    async def _able(self, patience: float) -> None:
        """Return when the API has answers other than 503, or when that takes too long."""
        able = asyncio.gather(self._heart.alive.wait(), self._follower.loaded.wait())
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(able, patience)

    async def drain(self) -> None:
        """Stop the units, hand them over, and leave nothing of this machine in the registry."""
        await self._cancel("engine", "agent", "rebirth")
        await self._bounded(self._engine.stop())
        await self._bounded(self._agent.stop(), 3.0)
        await self._bounded(self._publisher.flush(0.5))
        await self._cancel("heart")
        await self._bounded(self._heart.stop())
        log.info("handed over; waiting for the units that are still stopping")
        await self._agent.finish(FINISH)
        await self.leave()

    async def leave(self) -> None:
        """End, but leave units and registry as they are."""
        for each in self._listening:
            each.close()
        # What is asked from now on is for whoever listens next: this mirror will be out of date.
        await self._connections.close()
        await self._cancel(*self._tasks)
        await self._backend.close()
        self._client.close()

    def dump(self) -> str:
        """The state for SIGUSR1."""
        cluster = self._mirror.cluster()
        return json.dumps(
            {
                "Machine": self._describe(),
                "Alive": self._heart.alive.is_set(),
                "Leader": self._engine.leads,
                "Machines": sorted(cluster.machines),
                "Units": {name: unit.target for name, unit in sorted(cluster.units.items())},
            }
        )

    def _describe(self) -> dict[str, Any]:
        return {
            "ID": self._me.id,
            "PublicIP": self._config.public_ip or default_address(),
            "Metadata": dict(self._me.metadata),
            "Capabilities": {"DISABLE_ENGINE": self._config.disable_engine, "GRPC": False},
            "Version": VERSION,
            # Ours, which the original ignores: tells a machine that has been reset from its earlier self.
            "BootID": self._boot,
        }

    async def _republish(self) -> None:
        """The registry forgot this machine's states together with its key: write them again."""
        while True:
            await self._heart.pulse.wait()
            self._heart.pulse.clear()
            if self._heart.alive.is_set():
                self._publisher.again()

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks[name] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            log.error("%s ended", task.get_name(), exc_info=task.exception())
            self.failed.set()

    async def _cancel(self, *names: str) -> None:
        await end(self._tasks.pop(name) for name in names if name in self._tasks)

    @staticmethod
    async def _bounded(work: Coroutine[Any, Any, None], seconds: float = 1.5) -> None:
        try:
            await asyncio.wait_for(work, seconds)
        except Exception as error:  # etcd may be away: its keys then expire by themselves
            log.warning("while stopping: %s", error or type(error).__name__)
