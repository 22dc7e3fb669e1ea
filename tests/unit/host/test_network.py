"""Hardware addresses tell the address they stand for, so that a capture can be read."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from lab.network import mac


def test_a_hardware_address_shows_the_ipv4_address() -> None:
    assert mac(IPv4Address("10.1.0.101")) == "02:00:0a:01:00:65"


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_different_addresses_give_different_local_unicast_ones(
    first: IPv4Address, second: IPv4Address
) -> None:
    assert (mac(first) == mac(second)) == (first == second)
    assert int(mac(first)[:2], 16) & 0b11 == 0b10  # locally administered, not a group
