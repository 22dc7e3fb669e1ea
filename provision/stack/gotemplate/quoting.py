"""Strings as Go sees them: bytes that are usually UTF-8, quoted and unquoted by Go's rules.

A Python str stands for a Go string. A byte that is not part of valid UTF-8 is a surrogate escape (PEP 383).
"""

from __future__ import annotations

MAX_RUNE = 0x10FFFF

_SHORT = {7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v"}
_SINGLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}


def to_bytes(text: str) -> bytes:
    """The bytes of a Go string; never raises."""
    if text.isascii():
        return text.encode("ascii")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def from_bytes(data: bytes) -> str:
    """The Go string that has these bytes."""
    return data.decode("utf-8", "surrogateescape")


def byte_length(text: str) -> int:
    return len(text) if text.isascii() else len(to_bytes(text))


def is_print(char: str) -> bool:
    """Whether a rune is printable to Go's strconv: letter, mark, number, punctuation, symbol, space."""
    return char.isprintable()


def quote(text: str, ascii_only: bool = False) -> str:
    """A Go string literal in double quotes."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_quoted_char(char, '"', ascii_only) for char in text) + '"'


def quote_rune(code: int, ascii_only: bool = False) -> str:
    """A Go character constant; what is no rune becomes U+FFFD."""
    if not 0 <= code <= MAX_RUNE or 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    return "'" + _quoted_char(chr(code), "'", ascii_only) + "'"


def rune_name(code: int, with_char: bool = False) -> str:
    """`U+0040`, or `U+0040 '@'` when the rune is asked for and printable."""
    name = f"U+{code:04X}"
    if with_char and 0 <= code <= MAX_RUNE and is_print(chr(code)):
        return f"{name} '{chr(code)}'"
    return name


def can_backquote(text: str) -> bool:
    """Whether the string can stand between backquotes unchanged."""
    return not any(
        char in "`\x7f\ufeff" or (char < " " and char != "\t") or "\ud800" <= char <= "\udfff"
        for char in text
    )


def unquote(literal: str) -> str:
    """The string of a Go literal in double quotes or backquotes.

    Raises ValueError("invalid syntax").
    """
    if literal.startswith("`"):
        return literal[1:-1].replace("\r", "")
    body = literal[1:-1]
    if "\\" not in body:
        if "\n" in body:
            raise ValueError("invalid syntax")
        return body
    out = bytearray()
    at = 0
    while at < len(body):
        slash = body.find("\\", at)
        if slash < 0:
            out += to_bytes(body[at:])
            break
        out += to_bytes(body[at:slash])
        piece, at = _unescape(body, slash, '"')
        out += piece if isinstance(piece, bytes) else chr(piece).encode()
    return from_bytes(bytes(out))


def unquote_char(literal: str) -> int:
    """The rune of a Go character constant, quotes included.

    Raises ValueError with Go's message.
    """
    body = literal[1:]
    if body.startswith("'"):
        raise ValueError("invalid syntax")
    if body.startswith("\\"):
        piece, end = _unescape(body, 0, "'")
        code = piece[0] if isinstance(piece, bytes) else piece
    else:
        code, end = ord(body[0]), 1
        if 0xD800 <= code <= 0xDFFF:
            code = 0xFFFD
    if body[end:] != "'":
        raise ValueError(f"malformed character constant: {literal}")
    return code


def _unescape(body: str, slash: int, delimiter: str) -> tuple[bytes | int, int]:
    """What the escape at `slash` stands for (a byte, or a rune), and where the text goes on."""
    kind = body[slash + 1 : slash + 2]
    start = slash + 2
    if kind in _HEX_DIGITS:
        digits = body[start : start + _HEX_DIGITS[kind]]
        value = _number(digits, 16, _HEX_DIGITS[kind])
        if kind == "x":
            return bytes([value]), start + 2
        if value > MAX_RUNE or 0xD800 <= value <= 0xDFFF:
            raise ValueError("invalid syntax")
        return value, start + len(digits)
    if kind and kind in "01234567":
        value = _number(body[slash + 1 : slash + 4], 8, 3)
        if value > 255:
            raise ValueError("invalid syntax")
        return bytes([value]), slash + 4
    if kind not in _SINGLE or (kind in "'\"" and kind != delimiter):
        raise ValueError("invalid syntax")
    return _SINGLE[kind], start


def _number(digits: str, base: int, want: int) -> int:
    allowed = "0123456789abcdefABCDEF" if base == 16 else "01234567"
    if len(digits) != want or any(digit not in allowed for digit in digits):
        raise ValueError("invalid syntax")
    return int(digits, base)


def _quoted_char(char: str, delimiter: str, ascii_only: bool) -> str:
    code = ord(char)
    if char == delimiter or char == "\\":
        return "\\" + char
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if char.isprintable() and (code < 0x80 or not ascii_only):
        return char
    if code in _SHORT:
        return _SHORT[code]
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
