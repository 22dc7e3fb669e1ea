"""Every mistake in a topology file is one line that names file, field and value, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import topology
from lab.errors import UserError

MISTAKES = {
    "not YAML": ("machines: [", ["lab.yaml: line 1", "not YAML"]),
    "a list": ("- coreos-1", ["field: value", "list"]),
    "a word": ("coreos", ["field: value", "str"]),
    "unknown field": ("machine: []", ["machine: unknown field", "did you mean 'machines'?"]),
    "unknown field of a machine": (
        "machines: [{name: a, memry: 512}]",
        ["machines.a.memry: unknown field", "did you mean 'memory'?"],
    ),
    "unknown field of a section": ("etcd: {hartbeat: 1s}", ["etcd.hartbeat", "did you mean 'heartbeat'?"]),
    "zero machines": ("machines: []", ["machines: none given", "- {name: coreos-1}"]),
    "machines without a value": ("machines:", ["machines: none given"]),
    "machines that are a word": ("machines: three", ["machines: must be a list"]),
    "a machine that is a word": ("machines: [web]", ["machines.0", "write `- {name: web}`"]),
    "a machine without a name": ("machines: [{memory: 512}]", ["machines.0.name", "required"]),
    "an unknown part for etcd": ("machines: [{name: a, etcd: none}]", ["machines.a.etcd: 'none'", "proxy"]),
    "no machine to begin with": (
        "machines: [{name: a, autostart: false}]",
        ["machines: none is an etcd member that starts by itself"],
    ),
    "proxies alone": ("machines: [{name: a, etcd: proxy}]", ["none is an etcd member"]),
    "a maybe": ("machines: [{name: a, autostart: maybe}]", ["machines.a.autostart: 'maybe'"]),
    "duplicate name": ("machines: [{name: a}, {name: a}]", ["'a' is there twice"]),
    "duplicate private address": (
        "machines: [{name: a, private: 10.1.0.50}, {name: b, private: 10.1.0.50}]",
        ["machines.b.private: 10.1.0.50 is also a's"],
    ),
    "address taken by a default": (
        "machines: [{name: a, private: 10.1.0.102}, {name: b}]",
        ["machines.b.private: 10.1.0.102 is also a's"],
    ),
    "duplicate public address": (
        "machines: [{name: a, public: 203.0.113.9}, {name: b, public: 203.0.113.9}]",
        ["machines.b.public: 203.0.113.9 is also a's"],
    ),
    "address outside its network": (
        "machines: [{name: a, private: 10.2.0.5}]",
        ["machines.a.private: 10.2.0.5 is outside 10.1.0.0/24"],
    ),
    "the lab's own address": ("machines: [{name: a, private: 10.1.0.1}]", ["10.1.0.1", "lab's own"]),
    "a network's own address": ("machines: [{name: a, private: 10.1.0.0}]", ["10.1.0.0", "not a host's"]),
    "the broadcast address": ("machines: [{name: a, private: 10.1.0.255}]", ["10.1.0.255", "not a host's"]),
    "not an address": ("machines: [{name: a, private: 10.1.0.300}]", ["machines.a.private", "10.1.0.300"]),
    "a bad name": ("machines: [{name: Web_1}]", ["machines.0.name", "Web_1", "lower-case"]),
    "a bad lab name": ("name: ../etc", ["name", "../etc", "lower-case"]),
    "a long lab name": ("name: abcdefghijklmnopqrstuvwxyz", ["name", "20"]),
    "too little memory": ("machines: [{name: a, memory: 64}]", ["machines.a.memory: 64", "512"]),
    "memory with a unit": (
        "machines: [{name: a, memory: 1GB}]",
        ["machines.a.memory: '1GB'", "of MiB, such as 1024"],
    ),
    "no processor": ("machines: [{name: a, cpus: 0}]", ["machines.a.cpus: 0", "1"]),
    "unknown provider": ("provider: docker", ["provider: 'docker'", "nspawn"]),
    "metadata with a separator": (
        "machines: [{name: a, metadata: {disk: 'a,b'}}]",
        ["machines.a.metadata.disk", "commas"],
    ),
    "overlapping networks": (
        "networks: {private: 10.1.0.0/16, public: 10.1.3.0/24}",
        ["networks.public", "overlaps networks.private"],
    ),
    "not a network": ("networks: {private: 10.1.0.5/24}", ["networks.private", "10.1.0.5/24"]),
    "a network without room": ("networks: {private: 10.1.0.0/30}", ["networks.private", "10.1.0.0/30"]),
    "unknown network": ("networks: {privat: 10.1.0.0/24}", ["networks.privat", "did you mean 'private'?"]),
    "not a duration": ("fleet: {agent_ttl: soon}", ["fleet.agent_ttl", "soon", "30s"]),
    "no time at all": ("fleet: {agent_ttl: 0}", ["fleet.agent_ttl", "longer"]),
    "hasty elections": ("etcd: {heartbeat: 1s, election: 2s}", ["etcd.election: 2000 ms", "five heartbeats"]),
    "a heartbeat in etcd's own ms": ("etcd: {heartbeat: 100}", ["etcd.heartbeat: 100: needs a unit: 100ms"]),
    "elections that etcd refuses": (
        "etcd: {heartbeat: 6s}",
        ["etcd.election: 60000 ms (ten heartbeats)", "50000 ms"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_helps(mistake: str) -> None:
    text, words = MISTAKES[mistake]

    with pytest.raises(UserError) as caught:
        topology.parse(text, "lab.yaml")

    message = str(caught.value)
    assert message.startswith("lab.yaml:")
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"/none\.yaml: cannot be read \(No such file"):
        topology.load(tmp_path / "none.yaml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_bytes(b"\xff\xfe\x00name")

    with pytest.raises(UserError, match=r"not text in UTF-8"):
        topology.load(tmp_path / "lab.yaml")


def test_an_unknown_machine_is_answered_with_a_suggestion() -> None:
    lab = topology.parse("", "lab.yaml")

    with pytest.raises(UserError, match=r"no machine 'coreos1'.*did you mean 'coreos-1'"):
        lab.machine("coreos1")
