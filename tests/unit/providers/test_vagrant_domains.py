"""The changes that the lab makes to a virtual machine's description, and no others."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from lab.providers.domains import ports_of, with_lasting_console, with_links

DOMAIN = """
<domain type='qemu'>
  <name>coreos-1</name>
  <devices>
    <interface type='network'><mac address='02:00:c0:a8:79:65'/><source network='control'/></interface>
    <interface type='bridge'><mac address='02:00:0a:01:00:65'/><source bridge='private'/></interface>
    <interface type='bridge'><mac address='02:00:cb:00:71:65'/><source bridge='public'/>
      <link state='down'/></interface>
    <interface type='bridge'><mac address='02:00:cb:00:71:66'/><source bridge='other'/></interface>
    <serial type='file'><source path='/x/console.log'/><target port='0'/></serial>
    <console type='file'><source path='/x/console.log'/><target type='serial' port='0'/></console>
  </devices>
</domain>
"""


@pytest.mark.parametrize("to", ["up", "down"])
def test_a_fault_touches_the_private_and_the_public_network_only(to: str) -> None:
    changed = [ElementTree.fromstring(text) for text in with_links(DOMAIN, to)]  # type: ignore[arg-type]
    assert [one.find("source").get("bridge") for one in changed] == ["private", "public"]  # type: ignore[union-attr]
    assert [[link.get("state") for link in one.iter("link")] for one in changed] == [[to], [to]]


def test_a_console_log_is_appended_to_from_the_second_start_on() -> None:
    changed = ElementTree.fromstring(with_lasting_console(DOMAIN))
    sources = [one for one in changed.iter("source") if one.get("path")]
    assert [one.get("append") for one in sources] == ["on", "on"]
    assert len(list(changed.iter("interface"))) == 4


def test_a_description_that_is_right_already_stays_as_it_is() -> None:
    right = with_lasting_console(DOMAIN)
    assert with_lasting_console(right) is right


def test_a_machine_s_ports_are_read_from_what_runs() -> None:
    live = """<domain><devices>
      <interface type='network'><source network='control' bridge='control'/><target dev='vnet0'/></interface>
      <interface type='bridge'><source bridge='private'/><target dev='vnet1'/></interface>
    </devices></domain>"""
    assert ports_of(live) == {"control": "vnet0", "private": "vnet1"}
    assert ports_of(DOMAIN) == {}, "a machine that is off has none"
