"""The D-Bus wire format, as much of it as talking to systemd takes: messages to bytes and back; no I/O."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
_FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "I"}
_ALIGN = {"y": 1, "n": 2, "q": 2, "b": 4, "i": 4, "u": 4, "s": 4, "o": 4, "a": 4, "h": 4, "g": 1, "v": 1}
_FIELDS = {1: "path", 2: "interface", 3: "member", 4: "error", 5: "reply_to", 8: "signature"}


class Message(NamedTuple):
    """A message without its body decoded: most signals are dropped after a look at their path."""

    kind: int
    serial: int
    path: str
    interface: str
    member: str
    error: str
    reply_to: int
    signature: str
    raw: bytes
    order: str

    def body(self) -> list[Any]:
        """The arguments; a variant is its value."""
        return Reader(self.raw, self.order).values(self.signature)


def call(
    serial: int, path: str, interface: str, member: str, signature: str, arguments: tuple[Any, ...]
) -> bytes:
    """A method call as bytes; no destination, as on a connection straight to the service."""
    body = Writer()
    for type_, value in zip(split(signature), arguments, strict=True):
        body.write(type_, value)
    head = Writer()
    head.data += struct.pack("<cBBBII", b"l", CALL, 0, 1, len(body.data), serial)
    fields = [(1, "o", path), (2, "s", interface), (3, "s", member)]
    if signature:
        fields.append((8, "g", signature))
    inner = Writer(offset=16)
    for code, type_, value in fields:
        inner.pad(8)
        inner.data += struct.pack("B", code)
        inner.write("g", type_)
        inner.write(type_, value)
    head.data += struct.pack("<I", len(inner.data)) + inner.data
    head.pad(8)
    return bytes(head.data + body.data)


def lengths(fixed: bytes) -> tuple[str, int, int]:
    """From the first 16 bytes: byte order, length of the header fields with padding, length of the body."""
    order = "<" if fixed[:1] == b"l" else ">"
    body, _, fields = struct.unpack(order + "III", fixed[4:16])
    return order, fields + (-fields) % 8, body


def decode(fixed: bytes, fields: bytes, body: bytes) -> Message:
    """A message from its three parts, cut as `lengths` says."""
    order = "<" if fixed[:1] == b"l" else ">"
    size = struct.unpack(order + "I", fixed[12:16])[0]
    reader = Reader(fixed + fields, order, 16)
    found: dict[str, Any] = {}
    while reader.at < 16 + size:
        reader.align(8)
        code = reader.one("y")
        value = reader.one("v")
        if code in _FIELDS:
            found[_FIELDS[code]] = value
    return Message(
        fixed[1],
        struct.unpack(order + "I", fixed[8:12])[0],
        found.get("path", ""),
        found.get("interface", ""),
        found.get("member", ""),
        found.get("error", ""),
        found.get("reply_to", 0),
        found.get("signature", ""),
        body,
        order,
    )


def split(signature: str) -> list[str]:
    """A signature as its single complete types."""
    types, at = [], 0
    while at < len(signature):
        end = _end(signature, at)
        types.append(signature[at:end])
        at = end
    return types


def _end(signature: str, at: int) -> int:
    while signature[at] == "a":
        at += 1
    if signature[at] not in "({":
        return at + 1
    depth = 0
    while True:
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[at], 0)
        at += 1
        if depth == 0:
            return at


class Writer:
    """Marshals strings, booleans and arrays of strings: all that is ever sent."""

    def __init__(self, offset: int = 0) -> None:
        self.data = bytearray()
        self._offset = offset

    def pad(self, boundary: int) -> None:
        self.data += bytes(-(len(self.data) + self._offset) % boundary)

    def write(self, type_: str, value: Any) -> None:
        if type_ in ("s", "o"):
            self.pad(4)
            text = value.encode()
            self.data += struct.pack("<I", len(text)) + text + b"\0"
        elif type_ == "g":
            self.data += struct.pack("B", len(value)) + value.encode() + b"\0"
        elif type_ == "b":
            self.pad(4)
            self.data += struct.pack("<I", 1 if value else 0)
        elif type_ == "as":
            self.pad(4)
            start = len(self.data)
            self.data += bytes(4)
            for each in value:
                self.write("s", each)
            struct.pack_into("<I", self.data, start, len(self.data) - start - 4)
        else:
            raise ValueError(f"cannot send a D-Bus value of type {type_}")


class Reader:
    """Unmarshals values of any type."""

    def __init__(self, data: bytes, order: str, at: int = 0) -> None:
        self._data = data
        self._order = order
        self.at = at

    def align(self, boundary: int) -> None:
        self.at += -self.at % boundary

    def values(self, signature: str) -> list[Any]:
        return [self.one(each) for each in split(signature)]

    def one(self, type_: str) -> Any:
        first = type_[0]
        self.align(_ALIGN.get(first, 8))
        if first in _FIXED:
            layout = self._order + _FIXED[first]
            (value,) = struct.unpack_from(layout, self._data, self.at)
            self.at += struct.calcsize(layout)
            return bool(value) if first == "b" else value
        if first in "so":
            return self._text(self.one("u"))
        if first == "g":
            return self._text(self.one("y"))
        if first == "v":
            return self.one(self.one("g"))
        if first == "a":
            return self._array(type_[1:])
        return tuple(self.values(type_[1:-1]))

    def _text(self, size: int) -> str:
        text = self._data[self.at : self.at + size].decode(errors="replace")
        self.at += size + 1
        return text

    def _array(self, element: str) -> Any:
        size = self.one("u")
        self.align(_ALIGN.get(element[0], 8))
        end = self.at + size
        items = []
        while self.at < end:
            items.append(self.one(element))
        return dict(items) if element[0] == "{" else items
