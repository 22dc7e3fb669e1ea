"""Go's numeric constants: what a piece of template text is worth as an integer, a float or a complex."""

from __future__ import annotations

import re

from gotemplate.nodes import Number
from gotemplate.quoting import quote, unquote_char

MIN_INT, MAX_INT, MAX_UINT = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1

_INTEGERS = (
    (re.compile(r"[+-]?0[xX](_?[0-9a-fA-F])+"), 16),
    (re.compile(r"[+-]?0[bB](_?[01])+"), 2),
    (re.compile(r"[+-]?0[oO](_?[0-7])+"), 8),
    (re.compile(r"[+-]?0(_?[0-7])*"), 8),
    (re.compile(r"[+-]?[1-9](_?[0-9])*"), 10),
)
_DECIMAL_FLOAT = re.compile(r"[+-]?(\d(_?\d)*\.?(\d(_?\d)*)?|\.\d(_?\d)*)([eE][+-]?\d(_?\d)*)?")
_HEX_FLOAT = re.compile(
    r"[+-]?0[xX]_?([\da-fA-F](_?[\da-fA-F])*)?\.?([\da-fA-F](_?[\da-fA-F])*)?[pP][+-]?\d(_?\d)*"
)
_LOOKS_FLOATING = re.compile(r"[.eEpP]")


def number(pos: int, text: str, is_complex: bool = False) -> Number:
    """The node of a constant as the lexer found it, signs and `i` included.

    Raises ValueError with Go's message.
    """
    if is_complex:
        return _complex(pos, text)
    if text.endswith("i"):
        imaginary = parse_float(text[:-1])
        if imaginary is not None:
            return Number(pos, text, complex(0, imaginary), None, None)
    integer = parse_int(text)
    if integer is not None and MIN_INT <= integer <= MAX_UINT:
        return _integer(pos, text, integer)
    floating = parse_float(text)
    if floating is None:
        raise ValueError(f"illegal number syntax: {quote(text)}")
    if not _LOOKS_FLOATING.search(text):
        raise ValueError(f"integer overflow: {quote(text)}")
    whole = int(floating) if floating.is_integer() and MIN_INT <= floating <= MAX_INT else None
    hexadecimal_integer = text[:2].lower() == "0x" and "p" not in text.lower()
    value = whole if hexadecimal_integer and whole is not None else floating
    return Number(pos, text, value, whole, floating)


def character(pos: int, text: str) -> Number:
    """The node of a character constant, quotes included.

    Raises ValueError with Go's message.
    """
    code = unquote_char(text)
    return Number(pos, text, code, code, float(code))


def parse_int(text: str) -> int | None:
    """The integer of a Go literal of any base, of any size; None if it is none."""
    for pattern, base in _INTEGERS:
        if pattern.fullmatch(text):
            digits = text.replace("_", "").lstrip("+-")
            value = int(re.sub("^0[xXbBoO]", "", digits), base)
            return -value if text.startswith("-") else value
    return None


def parse_float(text: str) -> float | None:
    """The float of a Go literal; None if it is none or too large to be one."""
    if _HEX_FLOAT.fullmatch(text):
        mantissa = text.lower().split("p")[0].lstrip("+-")[2:]
        if not mantissa.strip("._"):
            return None
        try:
            return float.fromhex(text.replace("_", ""))
        except (OverflowError, ValueError):
            return None
    if _DECIMAL_FLOAT.fullmatch(text):
        value = float(text.replace("_", ""))
        return None if value in (float("inf"), float("-inf")) else value
    return None


def _integer(pos: int, text: str, integer: int) -> Number:
    signed = integer if integer <= MAX_INT else None
    return Number(pos, text, signed, signed, float(integer))


def _complex(pos: int, text: str) -> Number:
    cut = max(text.rfind(sign, 1, -1) for sign in "+-")
    while cut > 1 and text[cut - 1] in "eEpP" and not text.lower().lstrip("+-").startswith("0x"):
        cut = max(text.rfind(sign, 1, cut) for sign in "+-")
    real, imaginary = parse_float(text[:cut]), parse_float(text[cut:-1])
    if real is None or imaginary is None:
        raise ValueError(f"illegal number syntax: {quote(text)}")
    return Number(pos, text, complex(real, imaginary), None, None)
