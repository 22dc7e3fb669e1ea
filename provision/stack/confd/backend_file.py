"""YAML and JSON files as a backend: the path to a value is its key."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from confd import gotext, resource
from confd.backend import Reading, Unread
from confd.problem import Problem
from confd.settings import Settings

LOOK = 0.05  # seconds between two looks at the files while watching


class FileBackend:
    """Reads the files, and all files of the folders, that -file names."""

    def __init__(self, settings: Settings) -> None:
        self._roots = settings.file
        self._filter = settings.filter
        self._seen: tuple[tuple[str, int, int, int], ...] = ()

    def read(self, keys: Sequence[str]) -> Reading:
        """The values whose key begins like one of the keys; a later file wins. Raises Unread."""
        self._seen = self._state()
        values: dict[str, str] = {}
        for path in self._files():
            values.update(_leaves("", _document(path)))
        wanted = tuple(keys)
        return Reading({key: value for key, value in values.items() if key.startswith(wanted)})

    def wait(self, keys: Sequence[str], index: int) -> None:
        """Look at the files until one of them is another one, or was written to."""
        while self._state() == self._seen:
            time.sleep(LOOK)

    def _files(self) -> list[str]:
        try:
            return [path for root in self._roots for path in resource.find(root, self._filter)]
        except Problem as error:
            raise Unread(str(error), index=0) from None

    def _state(self) -> tuple[tuple[str, int, int, int], ...]:
        found = []
        try:
            for path in self._files():
                stat = os.stat(path)
                found.append((path, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        except (OSError, Problem):
            return ()
        return tuple(found)


def _document(path: str) -> Any:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Unread(gotext.os_error(error, "open", path), index=0) from None
    except ValueError:
        raise Unread(f"{path}: not UTF-8", index=0) from None
    return parse(path, text)


def parse(path: str, text: str) -> Any:
    """The document; a name that ends in .json is read without YAML's reader. Raises Unread."""
    if path.endswith(".json"):
        json = importlib.import_module("json")
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Unread(f"{path}: {error}", index=0) from None
    try:
        yaml = importlib.import_module("yaml")
    except ModuleNotFoundError:
        raise Unread(
            f"{path}: reading YAML needs PyYAML (apt-get install python3-yaml); .json does not",
            index=0,
        ) from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unread(f"{path}: yaml: {' '.join(str(error).split())}", index=0) from None


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves(f"{key}/{name}", below)
    elif isinstance(value, list):
        for place, below in enumerate(value):
            yield from _leaves(f"{key}/{place}", below)
    elif isinstance(value, bool):
        yield key, str(value).lower()
    elif isinstance(value, (str, int)):
        yield key, str(value)
    elif isinstance(value, float):
        yield (
            key,
            format(value, "f").rstrip("0").rstrip(".")
            if value == value and abs(value) < 1e300
            else str(value),
        )
