"""Template resources: where they lie, and what each one says."""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path

from confd import gopath, gotext, toml_table
from confd.problem import Problem
from confd.settings import Settings

_KINDS: dict[str, type] = {
    "check_cmd": str,
    "dest": str,
    "gid": int,
    "group": str,
    "keys": tuple,
    "mode": str,
    "owner": str,
    "prefix": str,
    "reload_cmd": str,
    "reload_retry": bool,
    "src": str,
    "uid": int,
}


@dataclass(frozen=True)
class Resource:
    """A template resource; `template` is the whole path of its src, `keys` are what the backend is asked for.

    `uid` and `gid` are -1 where the resource leaves them to owner and group, or to the process.
    """

    path: str
    template: str
    dest: str = ""
    keys: tuple[str, ...] = ()
    prefix: str = "/"
    mode: str = ""
    uid: int = -1
    gid: int = -1
    owner: str = ""
    group: str = ""
    check_cmd: str = ""
    reload_cmd: str = ""
    reload_retry: bool = False


def find(root: str, pattern: str) -> list[str]:
    """Every file at or below `root` whose name matches, in lexical order. Raises Problem.

    Links to files count, links to folders are not entered, and a link to nothing is an error.
    """
    if not _is_folder(root):
        return [root]
    return list(_walk(root, pattern))


def read(path: str, settings: Settings) -> tuple[Resource, list[str]]:
    """A resource and warnings. Raises Problem."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        cause = gotext.os_error(error, "open", path)
        raise Problem(f"Cannot process template resource {path} - {cause}") from None
    except ValueError:
        raise Problem(f"Cannot process template resource {path} - not UTF-8") from None
    return parse(path, text, settings)


def parse(path: str, text: str, settings: Settings) -> tuple[Resource, list[str]]:
    """The resource that this TOML describes, and warnings. Raises Problem."""
    try:
        document = toml_table.parse(text)
        tables = [name for name in document if name.casefold() == "template"]
        table = document[tables[-1]] if tables else {}
        if not isinstance(table, dict):
            raise toml_table.BadToml("toml: [template] is no table")
        values, unknown = toml_table.decode(table, _KINDS)
    except toml_table.BadToml as error:
        raise Problem(f"Cannot process template resource {path} - {error}") from None
    if not values.get("src"):
        raise Problem("empty src template")
    unknown = [f"template.{name}" for name in unknown] + [name for name in document if name not in tables]
    source = values.pop("src")
    prefix = "/" + (settings.prefix or values.get("prefix", "")).removeprefix("/")
    values["prefix"] = prefix
    values["keys"] = tuple(gopath.join(prefix, key) for key in values.get("keys", ()))
    resource = Resource(path, gopath.join(settings.template_folder, source), **values)
    return resource, [f'Unknown key "{name}" in {path}: ignored' for name in unknown]


def _walk(folder: str, pattern: str) -> list[str]:
    found: list[str] = []
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise Problem(gotext.os_error(error, "open", folder)) from None
    for name in names:
        path = gopath.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            found += _walk(path, pattern)
        elif fnmatch.fnmatchcase(name, pattern) and not _is_folder(path):
            found.append(path)
    return found


def _is_folder(path: str) -> bool:
    try:
        return Path(path).stat().st_mode & 0o170000 == 0o040000
    except OSError as error:
        raise Problem(gotext.os_error(error, "stat", path)) from None
