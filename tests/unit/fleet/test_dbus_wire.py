"""The D-Bus wire format: what is written reads back, and bytes laid out by hand are understood."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import dbus_wire
from fleet.dbus_wire import Reader, Writer
from fleet.systemd import object_path


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.booleans(), st.lists(st.text("ab")))
def test_a_call_reads_back_as_it_was_written(text: str, flag: bool, words: list[str]) -> None:
    raw = dbus_wire.call(7, "/a/b", "org.x.Y", "Do", "sasb", (text, words, flag))
    order, fields, body = dbus_wire.lengths(raw[:16])
    assert len(raw) == 16 + fields + body
    message = dbus_wire.decode(raw[:16], raw[16 : 16 + fields], raw[16 + fields :])
    assert (message.serial, message.path, message.interface, message.member) == (7, "/a/b", "org.x.Y", "Do")
    assert message.body() == [text, words, flag]
    assert order == "<"


def test_variants_dictionaries_and_structures_are_read() -> None:
    # a{sv} with one entry "n": variant of (ub), little endian, laid out by hand
    entry = b"\x01\0\0\0n\0" + b"\x04(ub)\0"
    entry += bytes(-(len(entry)) % 8) + struct.pack("<II", 5, 1)
    raw = struct.pack("<I", len(entry)) + bytes(4) + entry
    assert Reader(raw, "<").values("a{sv}") == [{"n": (5, True)}]


def test_signatures_are_split_into_complete_types() -> None:
    assert dbus_wire.split("sa{sv}a(ss)(i(ub))aas") == ["s", "a{sv}", "a(ss)", "(i(ub))", "aas"]


def test_what_cannot_be_sent_is_an_error_and_not_a_broken_message() -> None:
    with pytest.raises(ValueError, match="type d"):
        Writer().write("d", 1.0)


def test_a_units_object_path_escapes_all_but_letters_and_digits() -> None:
    assert object_path("web@1.service") == "/org/freedesktop/systemd1/unit/web_401_2eservice"
    assert object_path("1-a.service") == "/org/freedesktop/systemd1/unit/_31_2da_2eservice"
