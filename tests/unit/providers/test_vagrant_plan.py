"""What Vagrant is told about a machine is what the machine must become."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.box import VmBox
from lab.errors import UserError
from lab.providers import vagrant_plan
from lab.providers.base import MachineSpec
from lab.topology import parse

ROOT = Path(__file__).parents[3]
ARGUMENTS = "root=/dev/vda rw console=ttyS0"
TOPOLOGY = "machines: [{name: coreos-1}, {name: back, public: null, memory: 2048, cpus: 2}]"


def specs(tmp_path: Path, topology: str = TOPOLOGY, **more: str) -> list[MachineSpec]:
    machines = parse(topology, "lab.yaml").machines
    return [
        MachineSpec(
            machine,
            {"LAB_HOSTNAME": machine.name, "LAB_MACHINE_ID": machine.machine_id("t"), **more},
            tmp_path / machine.name,
        )
        for machine in machines
    ]


def box(tmp_path: Path) -> VmBox:
    return VmBox(tmp_path / "disk.qcow2", tmp_path / "kernel", tmp_path / "initrd", ARGUMENTS)


def test_the_command_line_carries_the_identity(tmp_path: Path) -> None:
    spec = specs(tmp_path, LAB_PEERS="a=10.1.0.1,b=10.1.0.2")[0]
    line = vagrant_plan.command_line(spec, ARGUMENTS)
    config = re.search(r" lab\.config=(\S+)$", line)
    assert line.startswith(f"{ARGUMENTS} systemd.machine_id={spec.env['LAB_MACHINE_ID']} ")
    assert config
    assert gzip.decompress(base64.b64decode(config[1])).decode() == spec.env_file()


def test_the_same_machine_has_the_same_command_line_every_time(tmp_path: Path) -> None:
    first, second = (vagrant_plan.command_line(specs(tmp_path)[0], ARGUMENTS) for _ in range(2))
    assert first == second


def test_an_identity_that_a_kernel_would_cut_off_is_refused(tmp_path: Path) -> None:
    fitting = specs(tmp_path, LAB_FLEET_METADATA=os.urandom(500).hex())[0]
    assert len(vagrant_plan.command_line(fitting, ARGUMENTS)) <= 2047
    too_much = specs(tmp_path, LAB_FLEET_METADATA=os.urandom(1500).hex())[0]
    with pytest.raises(UserError, match=r"coreos-1: .* a kernel takes 2047; have fewer machines"):
        vagrant_plan.command_line(too_much, ARGUMENTS)


def test_a_machine_without_a_public_address_has_no_link_to_the_public_network(tmp_path: Path) -> None:
    plan = vagrant_plan.plan(specs(tmp_path), box(tmp_path), ssh_key=tmp_path / "key", kvm=False, within=60)
    front, back = plan["machines"]
    assert [link["bridge"] for link in front["bridges"]] == ["private", "public"]
    assert [link["bridge"] for link in back["bridges"]] == ["private"]
    assert (back["memory"], back["cpus"]) == (2048, 2)


def test_the_plan_is_json_and_no_two_links_share_a_hardware_address(tmp_path: Path) -> None:
    plan = vagrant_plan.plan(specs(tmp_path), box(tmp_path), ssh_key=tmp_path / "key", kvm=True, within=60)
    machines = json.loads(json.dumps(plan))["machines"]
    macs = [machine["control_mac"] for machine in machines]
    macs += [link["mac"] for machine in machines for link in machine["bridges"]]
    assert len(macs) == len(set(macs)) == 5


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")
def test_a_box_is_registered_without_a_copy_and_as_often_as_one_likes(tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1025M"], check=True)
    for _ in range(2):
        vagrant_plan.register_box(image, tmp_path / "home", tmp_path / "images")
    assert (tmp_path / "images" / vagrant_plan.VOLUME).samefile(image)
    folder = tmp_path / "home/boxes/discovery-lab/1.0.0/libvirt"
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata == {"provider": "libvirt", "format": "qcow2", "virtual_size": 2}
    assert (folder / "box.img").samefile(image)


RUBY = """
require "json"
module Vagrant; module Errors; class VagrantError < StandardError; end; end; end
require ARGV[0]
lab = YAML.safe_load(File.read(ARGV[1])) || {}
machines = DiscoveryLab.complete(lab)
puts JSON.generate(machines.map { |one| [one, DiscoveryLab.identity(one, machines, lab, "id", "key")] })
"""


@pytest.mark.skipif(shutil.which("ruby") is None, reason="needs ruby, which Vagrant brings")
@pytest.mark.parametrize("text", ["{}", TOPOLOGY, (ROOT / "lab.yaml").read_text()])
def test_a_plain_vagrant_reads_the_same_machines_from_the_topology(tmp_path: Path, text: str) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(text)
    plain = ROOT / "lab/providers/vagrant_plain.rb"
    output = subprocess.run(["ruby", "-e", RUBY, str(plain), str(file)], check=True, capture_output=True)
    found = json.loads(output.stdout)
    for (read, env), machine in zip(found, parse(text, "lab.yaml").machines, strict=True):
        assert read["name"] == machine.name
        assert (read["memory"], read["cpus"]) == (machine.memory, machine.cpus)
        for network in ("control", "private", "public"):
            address = getattr(machine, network)
            assert read[network] == (str(address) if address else None)
            assert env[f"LAB_{network.upper()}_ADDRESS"] == (f"{address}/24" if address else "")
        assert set(env) == IDENTITY


IDENTITY = {f"LAB_{name}_ADDRESS" for name in ("CONTROL", "PRIVATE", "PUBLIC")} | {
    *("LAB_NAME", "LAB_HOSTNAME", "LAB_MACHINE_ID", "LAB_GATEWAY", "LAB_REGISTRY", "LAB_PEERS"),
    *("LAB_ETCD_HEARTBEAT_MS", "LAB_ETCD_ELECTION_MS", "LAB_FLEET_AGENT_TTL", "LAB_FLEET_METADATA"),
    *("LAB_SSH_KEY", "LAB_CA", "LAB_FLEET", "LAB_ETCD_STATE", "LAB_ETCD_MEMBERS"),
}
