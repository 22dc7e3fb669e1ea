"""Floats as Go's strconv writes them: the shortest digits that read back the same, or a given precision."""

from __future__ import annotations

import math
import struct

_MANTISSA_BITS = 52
_LARGEST_PLAIN_EXPONENT = 5  # %g of shortest digits goes over to 1e+06 from here


def format_float(value: float, verb: str, precision: int) -> str:
    """`value` by verb e, E, f, g, G, x, X or b; precision -1 asks for the shortest digits that are exact.

    There is a sign only where it is a minus, and in `+Inf`.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1, value) < 0 else ""
    value = abs(value)
    if verb == "b":
        return sign + _binary(value)
    if verb in "xX":
        text = _hexadecimal(value, precision)
    elif precision < 0:
        text = _shortest(value, verb.lower())
    else:
        text = f"{value:.{precision}{verb.lower()}}"
    return sign + (text.upper() if verb in "EGX" else text)


def _shortest(value: float, verb: str) -> str:
    digits, point = _digits(value)
    exponent = point - 1 if digits != "0" else 0
    if verb == "e" or (verb == "g" and not -4 <= exponent <= _LARGEST_PLAIN_EXPONENT):
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{digits[0]}{fraction}e{exponent:+03d}"
    if point <= 0:
        return "0." + "0" * -point + digits if digits != "0" else "0"
    whole = digits[:point].ljust(point, "0")
    return f"{whole}.{digits[point:]}" if len(digits) > point else whole


def _digits(value: float) -> tuple[str, int]:
    """The shortest significant digits, and where the decimal point is: 0.digits times ten to that power."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return digits.rstrip("0") or "0", point


def _hexadecimal(value: float, precision: int) -> str:
    half, exponent = math.frexp(value)
    mantissa, exponent = int(half * (1 << _MANTISSA_BITS + 1)), exponent - 1 if value else 0
    places = _MANTISSA_BITS // 4
    if 0 <= precision < places:
        dropped = 4 * (places - precision)
        kept, rest = divmod(mantissa, 1 << dropped)
        middle = 1 << dropped - 1
        kept += rest > middle or (rest == middle and kept % 2 == 1)
        if kept >> 4 * precision > 1:
            kept, exponent = kept >> 1, exponent + 1
        mantissa, places = kept, precision
    fraction = f"{mantissa & (1 << 4 * places) - 1:0{places}x}" if places else ""
    fraction = fraction.rstrip("0") if precision < 0 else fraction.ljust(precision, "0")
    return f"0x{mantissa >> 4 * places}{'.' if fraction else ''}{fraction}p{exponent:+03d}"


def _binary(value: float) -> str:
    bits: int = struct.unpack(">q", struct.pack(">d", value))[0]
    biased, mantissa = bits >> _MANTISSA_BITS, bits & (1 << _MANTISSA_BITS) - 1
    if biased:
        mantissa |= 1 << _MANTISSA_BITS
    return f"{mantissa}p{max(biased, 1) - 1023 - _MANTISSA_BITS:+d}"
