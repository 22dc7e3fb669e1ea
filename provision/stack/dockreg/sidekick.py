"""Keeps one key of etcd true: there while the application answers, gone when it does not."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from dockerapi import Docker, DockerUnavailable, NoSuchContainer, NotPublished
from dockreg.application import complaint
from etcdv2.model import EtcdError, Unavailable
from etcdv2.sync import Client
from program import News
from registrar import KeptKey

RUNNING = "running"


@dataclass(frozen=True)
class Times:
    """In seconds; the first three are the article's."""

    interval: float = 5.0
    limit: float = 3.0
    ttl: int = 20
    starting: float = 0.5  # between two checks until the application has answered for the first time
    retry: float = 0.5  # between two attempts while Docker or etcd is away


@dataclass(frozen=True)
class Instance:
    """What is registered: `port` of the container `name`, below the directory `parent` of etcd.

    `ip` is the host's address to register, "" for the one that the port is published on.
    """

    name: str
    port: int
    parent: str
    ip: str = ""


class Sidekick:
    """Asks the application, and makes etcd say what it found."""

    def __init__(self, instance: Instance, docker: Docker, client: Client, times: Times) -> None:
        self._instance = instance
        self._docker = docker
        self._client = client
        self._times = times
        self._news = News()
        self._pause = threading.Event()
        self._key: KeptKey | None = None

    def serve(self) -> None:
        """Check and register until an exception; neither slow answers nor a lost etcd shift the rhythm."""
        started = False
        while True:
            due = time.monotonic()
            problem = complaint(self._instance.port, self._times.limit)
            started = started or not problem
            due += self._times.interval if started else self._times.starting
            while not self._settle(problem) and time.monotonic() + self._times.retry < due:
                self._pause.wait(self._times.retry)
            self._pause.wait(max(0.0, due - time.monotonic()))

    def leave(self) -> None:
        """Remove the key, as the last deed."""
        if self._key is not None:
            self._key.take_back()

    def _settle(self, problem: str) -> bool:
        """Have etcd say that the application is there, or not (for `problem`); False: to be tried again."""
        if self._key is None:
            self._key = self._find()
        key = self._key
        if key is None:
            return False
        port = self._instance.port
        try:
            if problem:
                key.remove()
                self._news.say(f"{key.key} is not there: port {port} of the application: {problem}")
            elif (held := key.keep(RUNNING)) == RUNNING:
                self._news.say(f"{key.key} = {RUNNING}, for {key.ttl} s at a time")
            else:
                self._news.say(f"{key.key} is somebody else's, {held!r}: it is left alone")
        except (Unavailable, EtcdError) as error:
            what = "removed, and left to its TTL" if problem else "written"
            self._news.say(f"{key.key} is not {what}: {error}")
            return False
        return True

    def _find(self) -> KeptKey | None:
        """The key of the published port, which stays the same as long as the container runs."""
        instance = self._instance
        try:
            container = self._docker.container(instance.name)
            published = container.published(instance.port, instance.ip)
        except DockerUnavailable as error:
            self._news.say(f"nothing is registered, Docker is away: {error}")
        except NoSuchContainer as error:
            self._news.say(f"nothing is registered, {error}: run this in a container with its own host name")
        except NotPublished as error:
            self._news.say(f"nothing is registered: {error}")
        else:
            key = KeptKey(self._client, f"{instance.parent}/{published}", self._times.ttl)
            # Whatever says "running" at this address is about this port, though a former container may have
            # written it: it goes if this application does not answer.
            key.value = RUNNING
            return key
        return None
