"""Words of a command line or an environment that several programs take."""

from __future__ import annotations


def parse_port(text: str) -> int:
    """Read a port number, 1 to 65535; ValueError says what is wrong."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError(f"not a port (1 to 65535): {text!r}")
    return int(text)


def parse_key(text: str) -> str:
    """Read the name of a key or directory of etcd, with or without slashes around it; returns /NAME.

    ValueError for one that is empty, or that etcd would take for another one.
    """
    parts = text.strip("/").split("/")
    if any(not part or part in (".", "..") or not part.isprintable() for part in parts):
        raise ValueError(f"not a key: {text!r}")
    return "/" + "/".join(parts)
