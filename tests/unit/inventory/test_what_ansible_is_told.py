"""The lab as Ansible's inventory: groups, variables, and what the command prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import store, topology
from lab.errors import UserError
from lab.inventory import inventory, variables

CHECKOUT = Path(__file__).resolve().parents[3]
TEXT = """
name: one
machines:
  - {name: node-front-1}
  - {name: node-front-2}
  - {name: node-back-1, public: null}
  - {name: node-back-2, public: null, etcd: proxy}
  - {name: lonely}
fleet: {enabled: false}
"""
CONFIG = Path("/var/lib/lab with space/ssh/config")


def record(stage: store.Stage = "up") -> store.Record:
    return store.Record(
        name="one",
        stage=stage,
        provider="nspawn",
        reason="asked for",
        kvm=False,
        box="0123",
        topology=topology.parse(TEXT, "lab.yaml"),
    )


def test_machines_are_grouped_by_name_member_and_public_address() -> None:
    document = inventory(record(), CONFIG)
    groups = {name: group["hosts"] for name, group in document.items() if name not in ("_meta", "all")}
    assert groups == {
        "node_front": ["node-front-1", "node-front-2"],
        "node_back": ["node-back-1", "node-back-2"],
        "etcd": ["node-front-1", "node-front-2", "node-back-1", "lonely"],
        "public": ["node-front-1", "node-front-2", "lonely"],
    }
    assert document["all"]["children"] == sorted(groups)
    assert list(document["_meta"]["hostvars"]) == document["all"]["hosts"]


def test_a_machine_s_variables_lead_through_the_lab_s_own_ssh_configuration() -> None:
    found = variables(record(), "node-back-2", CONFIG)
    assert found["ansible_host"] == "node-back-2"
    assert found["ansible_ssh_args"] == f'-F "{CONFIG}"'
    assert (found["lab_public"], found["lab_etcd"]) == (None, "proxy")
    assert inventory(record(), CONFIG)["_meta"]["hostvars"]["node-back-2"] == found


def test_an_unknown_machine_is_a_mistake_with_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"no machine 'node-back-3'.*node-back-2"):
        variables(record(), "node-back-3", CONFIG)


def command(home: Path, *words: str, program: str = "lab-inventory") -> subprocess.CompletedProcess[str]:
    """The command as Ansible runs it, on a lab that exists on paper."""
    environment = {**os.environ, "LAB_HOME": str(home), "LAB_NAME": "one", "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run([program, *words], env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """bin/lab-inventory beside a bin/lab of this checkout, and the record of a lab."""
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    (store.folder("one") / "ssh").mkdir(parents=True)
    record().save()
    folder = tmp_path / "bin"
    folder.mkdir()
    shutil.copy(CHECKOUT / "bin/lab-inventory", folder)
    (folder / "lab").write_text(f'#!/bin/sh\nexec {sys.executable} -m lab "$@"\n')
    (folder / "lab").chmod(0o755)
    return folder / "lab-inventory"


@pytest.mark.skipif(os.geteuid() != 0, reason="`lab` belongs to root")
def test_the_command_answers_as_ansible_asks(script: Path, tmp_path: Path) -> None:
    listed = command(tmp_path / "home", "--list", program=str(script))
    assert json.loads(listed.stdout)["node_back"]["hosts"] == ["node-back-1", "node-back-2"]
    one = command(tmp_path / "home", "--host", "lonely", program=str(script))
    assert json.loads(one.stdout)["ansible_user"] == "core"
    wrong = command(tmp_path / "home", "--host", "lonly", program=str(script))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "lab: no machine 'lonly' in lab 'one'; did you mean 'lonely'?\n"
