"""How Go's standard library words things: errors of the system, file modes, numbers and truth values."""

from __future__ import annotations

import os
import re
import signal
import stat

_BITS = ((stat.S_ISUID, "u"), (stat.S_ISGID, "g"), (stat.S_ISVTX, "t"))
_BASES = ((re.compile(r"0[xX]([0-9a-fA-F_]+)"), 16), (re.compile(r"0[bB]([01_]+)"), 2))
_OCTAL = re.compile(r"0[oO]?([0-7_]+)")
_DECIMAL = re.compile(r"(0|[1-9][0-9_]*)")
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


def os_error(error: OSError, doing: str, *names: str) -> str:
    """`open /etc/x: permission denied`."""
    return f"{' '.join((doing, *names))}: {errno_text(error)}"


def errno_text(error: OSError) -> str:
    """`permission denied`; the error's own words where the system has none."""
    if error.errno is None or error.errno < 0:
        return str(error) or type(error).__name__
    return os.strerror(error.errno).lower()


def signal_text(number: int) -> str:
    """`terminated`, `interrupt`, `killed`."""
    return (signal.strsignal(number) or f"signal {number}").lower()


def file_mode(mode: int) -> str:
    """`-rw-r--r--`; set-user-id, set-group-id and sticky are letters in front, as Go writes them."""
    front = "".join(letter for bit, letter in _BITS if mode & bit) or "-"
    return front + "".join(
        letter if mode & (0o400 >> place) else "-" for place, letter in enumerate("rwxrwxrwx")
    )


def parse_uint(text: str, bits: int) -> int:
    """A literal as `strconv.ParseUint(text, 0, bits)` reads it: "0644" is octal, "420" is not.

    Raises ValueError with Go's message.
    """
    value = _literal(text)
    if value is None:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if value >= 1 << bits:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return value


def parse_int(text: str) -> int:
    """A literal as `strconv.ParseInt(text, 0, 64)` reads it. Raises ValueError with Go's message."""
    sign, rest = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    value = _literal(rest)
    return _bounded(None if value is None else (-value if sign == "-" else value), text, "ParseInt")


def atoi(text: str) -> int:
    """A decimal number as `strconv.Atoi` reads it. Raises ValueError with Go's message."""
    good = re.fullmatch(r"[+-]?[0-9]{1,4000}", text, re.ASCII)
    return _bounded(int(text) if good else None, text, "Atoi")


def parse_bool(text: str) -> bool:
    """A truth value as `strconv.ParseBool` reads it. Raises ValueError with Go's message."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def scalar(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair that stands alone, as Go reads JSON."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _bounded(value: int | None, text: str, what: str) -> int:
    if value is None:
        raise ValueError(f'strconv.{what}: parsing "{text}": invalid syntax')
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f'strconv.{what}: parsing "{text}": value out of range')
    return value


def _literal(text: str) -> int | None:
    for pattern, base in (*_BASES, (_DECIMAL, 10), (_OCTAL, 8)):
        found = pattern.fullmatch(text)
        if found:
            digits = found.group(1)
            if digits.endswith("_") or "__" in digits or len(digits) > 4000:
                return None
            return int(digits.replace("_", ""), base)
    return None
