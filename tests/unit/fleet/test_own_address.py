"""Without public_ip a machine is known by the address of its default route's interface."""

from __future__ import annotations

from pathlib import Path

from fleet.host import default_address

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


def test_the_default_routes_interface_counts(tmp_path: Path) -> None:
    routes = tmp_path / "route"
    other = "nosuch0\t0001010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    default = "lo\t00000000\t0101010A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    routes.write_text(HEAD + other + default)
    assert default_address(routes) == "127.0.0.1"


def test_without_a_default_route_or_its_interface_there_is_none(tmp_path: Path) -> None:
    routes = tmp_path / "route"
    assert default_address(routes) == ""
    routes.write_text(HEAD)
    assert default_address(routes) == ""
    routes.write_text(HEAD + "nosuch0\t00000000\t0101010A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    assert default_address(routes) == ""
