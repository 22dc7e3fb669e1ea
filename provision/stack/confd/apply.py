"""One pass of one resource: render its template, compare, check, replace, reload."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from confd import command, functions, gopath, gotext, target
from confd.log import Log
from confd.problem import Problem
from confd.resource import Resource
from confd.settings import Settings
from confd.store import Store
from gotemplate import TemplateError, parse
from gotemplate.quoting import to_bytes


class Applier:
    """Applies values to resources; remembers which reload_cmd is owed another try, and what is staged."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._functions = functions.functions()
        self._owed: set[str] = set()
        self._staged: dict[str, target.Staged] = {}

    def apply(self, resource: Resource, values: Mapping[str, str]) -> None:
        """Make the resource's destination what the values say. Raises Problem."""
        if not resource.dest:
            raise Problem(f"empty dest: {resource.path} does not say where to write")
        mode = target.mode_for(resource.dest, resource.mode)
        uid, gid = _owner(resource)
        text = self._render(resource, values)
        staged = target.stage(resource.dest, to_bytes(text), mode, uid, gid)
        self._staged[resource.path] = staged
        try:
            self._sync(resource, staged)
        finally:
            if not self._settings.keep_stage_file:
                staged.remove()
            del self._staged[resource.path]

    def abandon(self) -> None:
        """Remove what is staged: the program ends now."""
        for staged in list(self._staged.values()):
            if not self._settings.keep_stage_file:
                staged.remove()

    def _render(self, resource: Resource, values: Mapping[str, str]) -> str:
        log, path = self._log, resource.template
        log.debug(f"Using source template {path}")
        try:
            text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            raise Problem(f"Missing template: {path}") from None
        except OSError as error:
            cause = gotext.os_error(error, "read" if isinstance(error, IsADirectoryError) else "open", path)
            raise Problem(f"Unable to process template {path}, {cause}") from None
        log.debug(f"Compiling source template {path}")
        known = {**self._functions, **Store(values, resource.prefix).functions()}
        try:
            template = parse(gopath.base(path), text, known)
        except TemplateError as error:
            raise Problem(f"Unable to process template {path}, {error}") from None
        try:
            return template.execute(None)
        except TemplateError as error:
            raise Problem(str(error)) from None

    def _sync(self, resource: Resource, staged: target.Staged) -> None:
        log, settings, dest = self._log, self._settings, resource.dest
        if settings.keep_stage_file:
            log.info(f"Keeping staged file: {staged.path}")
        log.debug(f"Comparing candidate config to {dest}")
        differs = staged.differs(log)
        if settings.noop:
            log.warning(f"Noop mode enabled. {dest} will not be modified")
        elif differs:
            log.info(f"Target config {dest} out of sync")
            if resource.check_cmd and not settings.sync_only:
                self._check(resource, staged)
            staged.replace(log)
            self._reload(resource)
            log.info(f"Target config {dest} has been updated")
        else:
            log.debug(f"Target config {dest} in sync")
            if dest in self._owed:
                self._reload(resource)

    def _check(self, resource: Resource, staged: target.Staged) -> None:
        try:
            line = parse("checkcmd", resource.check_cmd).execute({"src": staged.path})
            command.run(line, self._log)
        except (TemplateError, Problem) as error:
            raise Problem(f"Config check failed: {error}") from None

    def _reload(self, resource: Resource) -> None:
        if not resource.reload_cmd or self._settings.sync_only:
            return
        self._owed.discard(resource.dest)
        try:
            command.run(resource.reload_cmd, self._log)
        except Problem:
            if resource.reload_retry:
                self._owed.add(resource.dest)
            raise


def _owner(resource: Resource) -> tuple[int, int]:
    """Numbers win over names, and both over the process's own. Raises Problem."""
    uid, gid = resource.uid, resource.gid
    try:
        if uid == -1 and resource.owner:
            uid = _number(resource.owner, "user")
        if gid == -1 and resource.group:
            gid = _number(resource.group, "group")
    except KeyError as error:
        raise Problem(str(error.args[0])) from None
    return (os.geteuid() if uid == -1 else uid), (os.getegid() if gid == -1 else gid)


def _number(name: str, kind: str) -> int:
    import grp
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        if name.isascii() and name.isdigit() and len(name) < 10:
            return int(name)
        raise KeyError(f"{kind}: unknown {kind} {name}") from None
