"""The article's playbooks, played on the machines of its own lab.yaml."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from lab.running import Lab
from scenarios.guide import Reader
from scenarios.rundock.article import GUIDE, PLAYBOOKS, Site


@pytest.fixture(scope="session")
def sites() -> list[Site]:
    """The site that earlier modules have used, if any."""
    return []


@pytest.fixture(scope="module")
def site(lab: Lab, sites: list[Site], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site as the guide builds it: once for all modules, each of which leaves it as it was."""
    if sites and sites[-1].lab is lab and sites[-1].stands():
        return sites[-1]
    if shutil.which("ansible-playbook") is None and not Path(sys.executable).with_name("ansible").exists():
        pytest.fail("no Ansible here: `pip install ansible-core`, or use ./run rundock", pytrace=False)
    tools = tmp_path_factory.mktemp("tools")
    made = Site(lab, Reader(lab, GUIDE, tools), tools)
    made.playbook(*PLAYBOOKS)
    made.wait_for_names("grafana", made.address("node-back-1"), made.address("node-back-2"))
    sites.append(made)
    return made
