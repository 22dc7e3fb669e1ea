"""What a network fault asks of the kernel, as nftables rules on the lab's own bridges; pure text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Way = Literal["both", "out", "in"]
PREFIX = "lab-fault-"


def table(name: str, ports: Iterable[str], way: Way, verdict: str = "drop") -> str:
    """Rules that hit every frame between `ports` and the rest, seen from the machines behind them.

    `way` "out" is what those machines send, "in" what is sent to them. Frames between two of `ports` pass.
    `verdict` is what befalls a frame, for example "drop" or "numgen random mod 100 < 30 drop". One table
    a fault: to heal is to delete it, whatever other faults have in place.
    """
    inside = "{ " + ", ".join(f'"{port}"' for port in sorted(set(ports))) + " }"
    forward, arriving, leaving = [], [], []
    if way in ("both", "out"):
        forward.append(f"iifname {inside} oifname != {inside} {verdict}")
        arriving.append(f"iifname {inside} {verdict}")
    if way in ("both", "in"):
        forward.append(f"oifname {inside} iifname != {inside} {verdict}")
        leaving.append(f"oifname {inside} {verdict}")
    chains = (("forward", forward), ("input", arriving), ("output", leaving))
    return "\n".join(
        [f"table bridge {name} {{"]
        + [
            f"  chain {hook} {{\n    type filter hook {hook} priority 0; policy accept;\n"
            + "".join(f"    {rule}\n" for rule in rules)
            + "  }"
            for hook, rules in chains
            if rules
        ]
        + ["}", ""]
    )


def tables_in(ruleset: str) -> list[str]:
    """The faults' own tables in what `nft list tables` prints."""
    rows = [line.split() for line in ruleset.splitlines()]
    return [row[2] for row in rows if row[:2] == ["table", "bridge"] and row[2].startswith(PREFIX)]
