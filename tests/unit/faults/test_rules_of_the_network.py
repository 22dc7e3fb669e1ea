"""A network fault's rules hit what crosses the cut, in the way it says; the kernel's own nft reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from lab.faults import filter
from lab.faults.filter import Way

PORTS = ["p1-coreos-1", "w1-coreos-1"]


@pytest.mark.parametrize(("way", "rules"), [("both", 4), ("out", 2), ("in", 2)])
def test_each_way_has_its_rules(way: Way, rules: int) -> None:
    text = filter.table("lab-fault-x", PORTS, way)
    assert text.count(" drop") == rules
    assert ("hook input" in text) == (way != "in")
    assert ("hook output" in text) == (way != "out")


def test_frames_between_machines_of_one_side_pass() -> None:
    text = filter.table("lab-fault-x", PORTS, "both")
    inside = re.escape('{ "p1-coreos-1", "w1-coreos-1" }')
    assert re.search(f"iifname {inside} oifname != {inside} drop", text)
    assert re.search(f"oifname {inside} iifname != {inside} drop", text)


def test_only_the_faults_own_tables_are_found() -> None:
    listed = "table ip nat\ntable bridge mine\ntable bridge lab-fault-mute-coreos-1\ntable inet lab-fault-x\n"
    assert filter.tables_in(listed) == ["lab-fault-mute-coreos-1"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft")
@pytest.mark.parametrize("verdict", ["drop", "numgen random mod 100 < 20 drop"])
def test_nft_takes_the_rules_and_lists_the_table(verdict: str) -> None:
    rules = filter.table("lab-fault-loss-coreos-1", PORTS, "both", verdict)
    words = ["unshare", "--net", "sh", "-c", "nft -f - && nft list tables"]
    done = subprocess.run(words, input=rules, capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    assert filter.tables_in(done.stdout) == ["lab-fault-loss-coreos-1"]
