"""The file that a resource writes: staged beside it, compared, and put in its place in one step."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import stat
from dataclasses import dataclass

from confd import gotext
from confd.log import Log
from confd.problem import Problem


@dataclass(frozen=True)
class Staged:
    """A file that waits beside `dest` to take its place."""

    path: str
    dest: str
    content: bytes
    mode: int
    uid: int
    gid: int

    def differs(self, log: Log) -> bool:
        """Whether dest is absent, or has another owner, mode or content; what differs is logged."""
        try:
            there = os.stat(self.dest)
        except OSError:
            return True
        ours = os.stat(self.path)
        found = list(_differences(there, ours))
        if stat.S_ISREG(there.st_mode):
            try:
                with open(self.dest, "rb") as file:
                    content = file.read()
            except OSError as error:
                log.error(gotext.os_error(error, "open", self.dest))
                return True
            if content != self.content:
                found.append(f"md5sum {_md5(content)} should be {_md5(self.content)}")
        else:
            return True
        for text in found:
            log.info(f"{self.dest} has {text}")
        return bool(found)

    def replace(self, log: Log) -> None:
        """Take dest's place; where dest is a mount, rewrite it. Raises Problem."""
        log.debug(f"Overwriting target config {self.dest}")
        try:
            if os.path.isdir(self.dest):  # what Go's os.Rename says of it
                raise OSError(errno.EEXIST, "")
            os.rename(self.path, self.dest)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise Problem(gotext.os_error(error, "rename", self.path, self.dest)) from None
            log.debug("Rename failed - target is likely a mount. Trying to write instead")
            self._rewrite()

    def remove(self) -> None:
        """Remove the staged file, if it is still there."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def _rewrite(self) -> None:
        try:
            with open(self.dest, "wb") as file:
                file.write(self.content)
        except OSError as error:
            raise Problem(gotext.os_error(error, "open", self.dest)) from None
        with contextlib.suppress(OSError):
            os.chown(self.dest, self.uid, self.gid)
        with contextlib.suppress(OSError):
            os.chmod(self.dest, self.mode)


def stage(dest: str, content: bytes, mode: int, uid: int, gid: int) -> Staged:
    """Write `content` beside `dest`, with this mode and owner as far as we may. Raises Problem."""
    folder, name = os.path.split(dest)
    descriptor, path = _create(folder, f".{name}")
    staged = Staged(path, dest, content, mode, uid, gid)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            with contextlib.suppress(OSError):
                os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)  # after the owner: changing that clears set-user-id
    except OSError as error:
        staged.remove()
        raise Problem(gotext.os_error(error, "write", path)) from None
    except BaseException:
        staged.remove()
        raise
    return staged


def mode_for(dest: str, mode: str) -> int:
    """The resource's mode, or that of the file that is there, or 0644. Raises Problem."""
    if mode:
        try:
            return gotext.parse_uint(mode, 32) & 0o777
        except ValueError as error:
            raise Problem(str(error)) from None
    try:
        return stat.S_IMODE(os.stat(dest).st_mode)
    except FileNotFoundError:
        return 0o644
    except (OSError, ValueError) as error:
        cause = gotext.os_error(error, "stat", dest) if isinstance(error, OSError) else str(error)
        raise Problem(cause) from None


def _create(folder: str, prefix: str) -> tuple[int, str]:
    while True:
        path = os.path.join(folder, f"{prefix}{random.randrange(10**9):09d}")
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path
        except FileExistsError:
            continue
        except OSError as error:
            raise Problem(gotext.os_error(error, "open", path)) from None


def _differences(there: os.stat_result, ours: os.stat_result) -> list[str]:
    found = []
    if there.st_uid != ours.st_uid:
        found.append(f"UID {there.st_uid} should be {ours.st_uid}")
    if there.st_gid != ours.st_gid:
        found.append(f"GID {there.st_gid} should be {ours.st_gid}")
    if stat.S_IMODE(there.st_mode) != stat.S_IMODE(ours.st_mode):
        before, after = (gotext.file_mode(each.st_mode) for each in (there, ours))
        found.append(f"mode {before} should be {after}")
    return found


def _md5(content: bytes) -> str:
    from hashlib import md5  # it loads OpenSSL, which only a change is worth

    return md5(content, usedforsecurity=False).hexdigest()
