"""pytest's part of running tests side by side (pytest-xdist's -n): each worker has labs of its own.

A worker gets whole modules, and all modules of one lab.yaml: a lab is made once, and what a module has set up
on it is there for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import pytest

CHOSEN = "lab_chosen"  # how a worker says which provider its labs have had
CHOICES = pytest.StashKey[list[str]]()  # what the workers have said
Choice = Callable[[Path], Path]


def worker(config: pytest.Config) -> str:
    """The worker that this process is, such as "gw0"; "" where tests run one after the other."""
    return str(getattr(config, "workerinput", {}).get("workerid", ""))


def handed(config: pytest.Config, name: str) -> str:
    """What the process that gives out the tests has handed to this worker under a name; "" if nothing."""
    return str(getattr(config, "workerinput", {}).get(name, ""))


def shared_out(config: pytest.Config) -> bool:
    """Whether this process gives tests out to workers and runs none itself."""
    return not worker(config) and getattr(config.option, "dist", "no") != "no"


def unit(test: str, root: Path, topology: Choice) -> str:
    """What goes to one worker together with a test (its node id): its module, or its lab.yaml's."""
    module = root / test.partition("::")[0]
    lab = topology(module)
    return str(module if lab == topology(root) else lab)


def order(
    items: list[pytest.Item], root: Path, topology: Choice, needs_lab: Callable[[pytest.Item], bool]
) -> None:
    """Sort tests so that what takes longest is given out first, and small things fill the end.

    Labs of their own come first, then modules on the common one, then what needs no lab. Half of the last
    come right after the first lab: its worker may have to make the box, which the others' labs wait for.
    """
    with_lab = {item.path for item in items if needs_lab(item)}
    common = topology(root)
    items.sort(key=lambda item: 0 if topology(item.path) != common else 1 if item.path in with_lab else 2)
    first = topology(items[0].path) if items else common
    plain = list(dict.fromkeys(item.path for item in items if _needs_none(item, with_lab, topology, common)))
    early = set(plain[1::2])
    if first != common:
        items.sort(key=lambda item: 0 if topology(item.path) == first else 1 if item.path in early else 2)


def _needs_none(item: pytest.Item, with_lab: Container[Path], topology: Choice, common: Path) -> bool:
    return topology(item.path) == common and item.path not in with_lab


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give out tests by `unit`, unless --dist asks for another way."""
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    from lab.plugin import topology_of

    topology = topology_of(config)

    class ByLab(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid, config.rootpath, topology)

    config.option.loadscopereorder = False  # they come in `order`
    return ByLab(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Keep what a worker says about its labs, for the summary."""
    if chosen := getattr(node, "workeroutput", {}).get(CHOSEN):
        node.config.stash.setdefault(CHOICES, []).append(chosen)


def tell(config: pytest.Config, chosen: str) -> None:
    """In a worker: have the summary name the provider of its labs."""
    if worker(config) and chosen:
        config.workeroutput[CHOSEN] = chosen  # type: ignore[attr-defined]
