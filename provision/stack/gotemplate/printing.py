"""Values as Go's fmt writes them: by a verb, with flags, width and precision, nested values included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gotemplate.errors import message_of
from gotemplate.floats import format_float
from gotemplate.quoting import MAX_RUNE, can_backquote, from_bytes, quote, quote_rune, rune_name, to_bytes
from gotemplate.values import (
    BOOL,
    BYTES,
    COMPLEX,
    FLOAT,
    INT,
    INVALID,
    MAP,
    NIL,
    SLICE,
    STRING,
    STRUCT,
    fields,
    kind,
    method,
    sorted_items,
    type_name,
)

MAX_DEPTH = 100  # values within each other; Go would never end on a map that holds itself


class TooDeep(Exception):
    """A value holds more values within each other than can be printed, perhaps itself."""


@dataclass(frozen=True)
class Flags:
    """What stands between % and the verb; width and precision are None where not given."""

    plus: bool = False
    minus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    width: int | None = None
    precision: int | None = None
    plus_v: bool = False  # %+v
    sharp_v: bool = False  # %#v
    erring: bool = False  # within a %!d(...): methods are not called

    def pad(self, text: str) -> str:
        if self.width is None or len(text) >= self.width:
            return text
        if self.minus:
            return text.ljust(self.width)
        return text.rjust(self.width, "0" if self.zero else " ")


PLAIN = Flags()
_ADDRESS = "0xc000010000"  # a func or channel within a value: Go shows where it lies
_INTEGER_BASES = {"d": 10, "v": 10, "b": 2, "o": 8, "O": 8, "x": 16, "X": 16}


def display(value: object) -> str:
    """A value by %v, as an action prints it.

    Raises TooDeep.
    """
    if value is INVALID:
        return "<no value>"
    its_type = type(value)
    if its_type is str:
        assert isinstance(value, str)
        return value
    return str(value) if its_type is int else form(value, "v", PLAIN)


def sprint(values: Iterable[object]) -> str:
    """Values one after the other, with a space between two neither of which is a string."""
    out: list[str] = []
    before = True
    for value in values:
        is_string = kind(value) == STRING
        if out and not is_string and not before:
            out.append(" ")
        out.append(form(value, "v", PLAIN))
        before = is_string
    return "".join(out)


def sprintln(values: Iterable[object]) -> str:
    return " ".join(form(value, "v", PLAIN) for value in values) + "\n"


def form(value: object, verb: str, flags: Flags, depth: int = 0) -> str:
    """A value by a verb; a verb that does not fit gives Go's `%!d(string=x)`.

    Raises TooDeep.
    """
    if depth > MAX_DEPTH:
        raise TooDeep("value nests too deep to be printed")
    its_kind = kind(value)
    if its_kind == NIL:
        if depth and verb != "T":
            return "interface {}(nil)" if flags.sharp_v else "<nil>"
        return flags.pad("<nil>") if verb in "Tv" else f"%!{verb}(<nil>)"
    if verb == "T" and not depth:
        return _string(type_name(value), "s", flags)
    if verb in "pw":  # there are no addresses, and nothing to wrap
        return _bad_verb(value, verb, flags, depth)
    if its_kind == STRUCT and not flags.erring and not flags.sharp_v and verb in "vsxXq":
        text = _own_text(value, verb)
        if text is not None:
            return _string(text, verb, flags)
    written = _written(value, its_kind, verb, flags, depth)
    return _bad_verb(value, verb, flags, depth) if written is None else written


def _written(value: object, its_kind: str, verb: str, flags: Flags, depth: int) -> str | None:
    if its_kind == STRING:
        assert isinstance(value, str)
        return _string(value, verb, flags) if verb in "vsqxX" else None
    if its_kind == INT:
        assert isinstance(value, int)
        return _integer(value, verb, flags)
    if its_kind == FLOAT:
        assert isinstance(value, float)
        return _float(value, verb, flags) if verb in "vbgGxXfFeE" else None
    if its_kind == BOOL:
        return flags.pad("true" if value else "false") if verb in "tv" else None
    if its_kind == COMPLEX:
        assert isinstance(value, complex)
        return _complex(value, verb, flags) if verb in "vbgGxXfFeE" else None
    if its_kind == SLICE:
        assert isinstance(value, (list, tuple))
        parts = [form(item, verb, flags, depth + 1) for item in value]
        return f"{type_name(value)}{{{', '.join(parts)}}}" if flags.sharp_v else f"[{' '.join(parts)}]"
    if its_kind == MAP:
        assert isinstance(value, Mapping)
        return _map(value, verb, flags, depth)
    if its_kind == BYTES:
        assert isinstance(value, bytes)
        return _bytes(value, verb, flags, depth)
    if its_kind == STRUCT:
        return _struct(value, verb, flags, depth)
    return flags.pad(_ADDRESS) if verb == "v" else None


def _own_text(value: object, verb: str) -> str | None:
    string = method(value, "String")
    if string is None:
        return None
    try:
        return str(string())
    except Exception as error:
        return f"%!{verb}(PANIC=String method: {message_of(error)})"


def _bad_verb(value: object, verb: str, flags: Flags, depth: int) -> str:
    flags = replace(flags, erring=True)
    return f"%!{verb}({type_name(value)}={form(value, 'v', flags, depth + 1)})"


def _string(text: str, verb: str, flags: Flags) -> str:
    if verb == "v":
        verb = "q" if flags.sharp_v else "s"
    if verb in "xX":
        data = to_bytes(text)[: flags.precision]
        return flags.pad(_hex(data, verb, flags))
    text = text[: flags.precision]
    if verb == "q":
        text = f"`{text}`" if flags.sharp and can_backquote(text) else quote(text, flags.plus)
    return flags.pad(text)


def _hex(data: bytes, verb: str, flags: Flags) -> str:
    digits = [f"{byte:02{verb}}" for byte in data]
    prefix = f"0{verb}" if flags.sharp else ""
    if flags.space:
        return " ".join(prefix + pair for pair in digits)
    return prefix + "".join(digits) if digits else ""


def _integer(value: int, verb: str, flags: Flags) -> str | None:
    if verb == "c":
        return flags.pad(_rune(value))
    if verb == "q":
        return flags.pad(quote_rune(value, flags.plus))
    if verb == "U":
        digits = f"{value & (1 << 64) - 1:04X}".zfill(flags.precision or 0)
        char = rune_name(value, flags.sharp).partition(" ")[2]
        return replace(flags, zero=False).pad(f"U+{digits}" + (f" {char}" if char else ""))
    base = _INTEGER_BASES.get(verb)
    if base is None:
        return None
    precision = flags.precision
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    if precision == 0 and value == 0:
        return replace(flags, zero=False).pad("")
    if precision is None and flags.zero and flags.width is not None:
        precision = flags.width - len(sign)
    digits = _in_base(abs(value), base).zfill(precision or 0)
    if verb == "X":
        digits = digits.upper()
    if flags.sharp and not flags.sharp_v:
        prefix = {2: "0b", 8: "" if digits.startswith("0") else "0", 16: f"0{verb}", 10: ""}[base]
        digits = prefix + digits
    if verb == "O":
        digits = "0o" + digits
    return replace(flags, zero=False).pad(sign + digits)


def _in_base(value: int, base: int) -> str:
    if base == 10:
        return str(value)
    return format(value, {2: "b", 8: "o", 16: "x"}[base])


def _rune(code: int) -> str:
    if not 0 <= code <= MAX_RUNE or 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    return chr(code)


def _float(value: float, verb: str, flags: Flags) -> str:
    default = 6 if verb in "feEF" else -1
    precision = default if flags.precision is None else flags.precision
    verb = {"v": "g", "F": "f"}.get(verb, verb)
    text = format_float(value, verb, precision)
    if flags.sharp and verb != "b" and text[-3:] not in ("NaN", "Inf"):
        text = _with_point(text, verb, precision)
    sign, number = (text[0], text[1:]) if text[0] in "+-" else ("+", text)
    if not (flags.plus or sign == "-" or (number == "Inf" and flags.plus)):
        sign = " " if flags.space else "" if number != "Inf" else "+"
    if number in ("NaN", "Inf"):
        return replace(flags, zero=False).pad(sign + number)
    if flags.zero and flags.width is not None:
        return sign + number.rjust(flags.width - len(sign), "0")
    return flags.pad(sign + number)


def _with_point(text: str, verb: str, precision: int) -> str:
    """With %#: always a decimal point, and for %g as many digits as the precision says, six without one."""
    mark = "p" if verb in "xX" else "e"
    at = text.lower().find(mark)
    head, tail = (text, "") if at < 0 else (text[:at], text[at:])
    if "." not in head:
        head += "."
    if verb in "gGx":  # not X; and the x of 0x counts as a digit, as in Go
        wanted = 6 if precision < 0 else precision
        digits = head.lstrip("-").replace(".", "")
        shown = len(digits.lstrip("0")) or 1
        head += "0" * (wanted - shown)
    return head + tail


def _complex(value: complex, verb: str, flags: Flags) -> str:
    imaginary = _float(value.imag, verb, replace(flags, plus=True))
    return f"({_float(value.real, verb, flags)}{imaginary}i)"


def _bytes(value: bytes, verb: str, flags: Flags, depth: int) -> str:
    if verb in "sqxX":
        return _string(from_bytes(value), verb, flags)
    if flags.sharp_v:
        return f"[]byte{{{', '.join(f'0x{byte:x}' for byte in value)}}}"
    return f"[{' '.join(form(byte, verb, flags, depth + 1) for byte in value)}]"


def _map(value: Mapping[object, object], verb: str, flags: Flags, depth: int) -> str:
    parts = [
        f"{form(key, verb, flags, depth + 1)}:{form(item, verb, flags, depth + 1)}"
        for key, item in sorted_items(value)
    ]
    return f"{type_name(value)}{{{', '.join(parts)}}}" if flags.sharp_v else f"map[{' '.join(parts)}]"


def _struct(value: object, verb: str, flags: Flags, depth: int) -> str:
    named = flags.plus_v or flags.sharp_v
    parts = [
        (f"{name}:" if named else "") + form(getattr(value, attribute), verb, flags, depth + 1)
        for name, attribute in fields(value).items()
    ]
    return f"{type_name(value)}{{{', '.join(parts)}}}" if flags.sharp_v else f"{{{' '.join(parts)}}}"
