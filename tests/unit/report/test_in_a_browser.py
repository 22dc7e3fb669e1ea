"""A real browser draws the report: the outage is red where it was, and nothing runs over the page's edge."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from lab import report_html
from tests.unit.report.samples_of_a_run import run

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or ""
pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium on this host")
WIDTH, HEIGHT = 1280, 1400
FLAGS = [
    *("--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars"),
    # the page is all that it may ask for: no look for updates, no account, no name looked up
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


def draw(folder: Path, page: str) -> list[bytes]:
    """The rows of the picture that the browser makes of a page, three bytes a pixel."""
    (folder / "report.html").write_text(page)
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    subprocess.run(
        [BROWSER, *FLAGS, *root, f"--user-data-dir={folder / 'profile'}", f"--window-size={WIDTH},{HEIGHT}"]
        + [f"--screenshot={folder / 'report.png'}", f"file://{folder / 'report.html'}"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return pixels((folder / "report.png").read_bytes())


def pixels(png: bytes) -> list[bytes]:
    """The rows of an 8-bit RGB or RGBA picture (PNG, RFC 2083), as RGB."""
    chunks, place = [], 8
    width = height = size = 0
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", data[:10])
            size = {2: 3, 6: 4}[colour]
        if kind == b"IDAT":
            chunks.append(data)
        place += 12 + length
    raw, rows, before = zlib.decompress(b"".join(chunks)), [], bytes(width * size)
    for line in range(height):
        start = line * (width * size + 1)
        before = unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + width * size]), before, size)
        rows.append(bytes(byte for n, byte in enumerate(before) if n % size < 3) if size == 4 else before)
    return rows


def unfiltered(kind: int, row: bytearray, before: bytes, size: int) -> bytes:
    for n in range(len(row)):
        left = row[n - size] if n >= size else 0
        corner = before[n - size] if n >= size else 0
        if kind == 1:
            row[n] = row[n] + left & 255
        elif kind == 2:
            row[n] = row[n] + before[n] & 255
        elif kind == 3:
            row[n] = row[n] + (left + before[n]) // 2 & 255
        elif kind == 4:
            guess = left + before[n] - corner
            near = min((left, before[n], corner), key=lambda one: abs(guess - one))
            row[n] = row[n] + near & 255
    return bytes(row)


def test_the_browser_shows_outage_fault_and_answers(tmp_path: Path) -> None:
    rows = draw(tmp_path, report_html.page(run()))
    assert len(rows) == HEIGHT
    colours: dict[bytes, list[int]] = {}
    for row in rows[::2]:
        for x in range(0, WIDTH * 3, 6):
            colours.setdefault(row[x : x + 3], []).append(x // 3)
    failed, answered = bytes.fromhex("d43d3d"), bytes.fromhex("2f9e63")
    assert len(colours[failed]) > 500, "the strip is red while nobody answers"
    assert len(colours[answered]) > 200
    edges = [x for x in colours[failed] if x > 300]
    assert max(edges) - min(edges) < 0.7 * WIDTH, "and only then"
    assert {row[:3] for row in rows} == {rows[0][:3]}, "nothing reaches the left edge"
    assert {row[-3:] for row in rows} == {rows[0][:3]}, "or the right one"


def test_the_style_has_a_colour_for_each_part_and_machine() -> None:
    style = report_html.STYLE.read_text()
    assert all(re.search(rf"\.p{n} ", style) and re.search(rf"\.on{n} ", style) for n in range(6))
