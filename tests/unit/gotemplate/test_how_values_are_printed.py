"""How printf, print and actions write values: by Go's verbs and flags, mistakes shown as Go shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

import gotemplate

DATA: dict[str, object] = {
    **{"n": 42, "f": 2.5, "big": 1e6, "l": [1, "two", True, None], "m": {"b": 2, "a": "x"}, "nul": None},
    **{"s": 'hé日\n"', "ls": ["a", "b c"]},
}


@dataclass(frozen=True)
class Pair:
    go_type: ClassVar[str] = "memkv.KVPair"
    go_fields: ClassVar[dict[str, str]] = {"Key": "key", "Value": "value"}
    key: str
    value: object


class Named:
    go_methods: ClassVar[dict[str, str]] = {"String": "name"}

    def name(self) -> str:
        return "sam"


class Moody(Named):
    def name(self) -> str:
        raise ValueError("not today")


@pytest.mark.parametrize(
    ("form", "values", "written"),
    [
        ("%v %v %v %v", ".n .f .s .l", '42 2.5 hé日\n" [1 two true <nil>]'),
        ("%v %v", ".m nil", "map[a:x b:2] <nil>"),
        ("%+v %#v %T", ".m .m .m",
         'map[a:x b:2] map[string]interface {}{"a":"x", "b":2} map[string]interface {}'),
        ("%#v %#v %#v", ".l .s .f", '[]interface {}{1, "two", true, interface {}(nil)} "hé日\\n\\"" 2.5'),
        ("%d %5d %-5d", "42 42 42", "42    42 42   "),
        ("%05d %+d % d %x %X %#x %o %#o %O %b", "42 42 42 255 255 255 8 8 8 5",
         "00042 +42  42 ff FF 0xff 10 010 0o10 101"),
        ("%+05d|%-05d|%.3d|%8.3d|% x", "-42 42 7 7 255", "-0042|42   |007|     007| ff"),
        ("%c %q %U %#U", "233 233 233 233", "é 'é' U+00E9 U+00E9 'é'"),
        ("%c %q", "-1 1114112", "� '�'"),
        ("%t %v", "true false", "true false"),
        ("%s|%5s|%-5s|%.2s|%05s", '"abc" "abc" "abc" "abc" "abc"', "abc|  abc|abc  |ab|00abc"),
        ("%q %+q %#q %x % x %#x %X", '"é" "é" "a`b" "hé" "hé" "hé" "hé"',
         '"é" "\\u00e9" "a`b" 68c3a9 68 c3 a9 0x68c3a9 68C3A9'),
        ("%.1x %q", '"hé" "\\x00\\u00ad\\u200b\\xff"', '68 "\\x00\\u00ad\\u200b\\xff"'),
        ("%f %.2f %8.3f|%-8.3f|%08.3f %+.1f", "3.14159 3.14159 3.14159 3.14159 -3.14159 2.0",
         "3.141590 3.14    3.142|3.142   |-003.142 +2.0"),
        ("%e %E %g %G %.3g %.10g", "1234567.0 1234567.0 1e21 1e-7 123456.0 100000.0",
         "1.234567e+06 1.234567E+06 1e+21 1E-07 1.23e+05 100000"),
        ("%v %v %v %v %v", "1e6 123456789.0 0.00001 100000.0 3.0", "1e+06 1.23456789e+08 1e-05 100000 3"),
        ("%x %b %#g %.0f %6.2f%%", "1.5 1.0 1.5 2.5 99.5",
         "0x1.8p+00 4503599627370496p-52 1.50000 2  99.50%"),
        ("%v %.1f", "1i 1i", "(0+1i) (0.0+1.0i)"),
        ("%d %s", ".l .ls", "[1 %!d(string=two) %!d(bool=true) <nil>] [a b c]"),
        ("%5v|%q", ".ls .ls", '[    a   b c]|["a" "b c"]'),
        ("%d", '"x"', "%!d(string=x)"),
        ("%s %s %t", "3 2.5 1", "%!s(int=3) %!s(float64=2.5) %!t(int=1)"),
        ("%5d", '"x"', "%!d(string=    x)"),
        ("%d %d", "1", "1 %!d(MISSING)"),
        ("%d", "1 2", "1%!(EXTRA int=2)"),
        ("%d", "", "%!d(MISSING)"),
        ("%!", "1", "%!!(int=1)"),
        ("%", "", "%!(NOVERB)"),
        ("%z %-", "1 2", "%!z(int=1) %!(NOVERB)%!(EXTRA int=2)"),
        ("%v %d", "nil nil", "<nil> %!d(<nil>)"),
        ("%*d|%-*d|%*d", "5 1 5 1 -5 1", "    1|1    |1    "),
        ("%*d", '"x" 1', "%!(BADWIDTH)1"),
        ("%.*f", "2 3.14159", "3.14"),
        ("%.*f", "-1 3.14159", "%!(BADPREC)3.141590"),
        ("%[2]d %[1]d", "1 2", "2 1"),
        ("%[2]d %d", "1 2", "2 %!d(MISSING)"),
        ("%[3]d", "1 2", "%!d(BADINDEX)"),
        ("%[x]d", "1", "%!d(BADINDEX)"),
        ("%[1", "1", "%!(NOVERB)"),
        ("%[1]*.[2]*[3]f", "8 2 3.14159", "    3.14"),
        ("%[1]d %[1]x %[1]q", "65", "65 41 'A'"),
        ("%w %p", "1 2", "%!w(int=1) %!p(int=2)"),
        ("%é", "1", "%!é(int=1)"),
    ],
)  # fmt: skip
def test_printf_writes(form: str, values: str, written: str) -> None:
    text = "{{printf .form " + values + "}}"

    assert gotemplate.parse("a.tmpl", text).execute({**DATA, "form": form}) == written


@pytest.mark.parametrize(
    ("form", "value", "written"),
    [
        ("%v", Pair("k", 1), "{k 1}"),
        ("%+v", Pair("k", None), "{Key:k Value:<nil>}"),
        ("%#v", [Pair("k", 1.5)], '[]interface {}{memkv.KVPair{Key:"k", Value:1.5}}'),
        ("%T", Pair("k", 1), "memkv.KVPair"),
        ("%d", Pair("k", 1), "{%!d(string=k) 1}"),
        ("%v", Named(), "sam"),
        ("%5s|", Named(), "  sam|"),
        ("%d", Named(), "{}"),
        ("%v", [Named(), {"a": Named()}], "[sam map[a:sam]]"),
        ("%v", Moody(), "%!v(PANIC=String method: not today)"),
        ("%v", object(), "{}"),
        ("%v", b"ab", "[97 98]"),
        ("%s %[1]x %[1]q %[1]T", b"ab", 'ab 6162 "ab" []uint8'),
        ("%v", {2: "b", 10: "c", 1: "a"}, "map[1:a 2:b 10:c]"),
        ("%v", {"b": 1, None: 2, 1.5: 3}, "map[<nil>:2 1.5:3 b:1]"),
        ("%T %[1]v", (1, 2), "[]interface {} [1 2]"),
        ("%T", {1: 2}, "map[int]interface {}"),
        ("%v", float("nan"), "NaN"),
        ("%05.1f|%[1]v", float("-inf"), " -Inf|-Inf"),
        ("%v", "\udcff", "\udcff"),
        ("%q %[1]x", "\udcff", '"\\xff" ff'),
    ],
)
def test_values_of_pythons_own_print(form: str, value: object, written: str) -> None:
    data = {"form": form, "value": value}

    assert gotemplate.parse("a.tmpl", "{{printf .form .value}}").execute(data) == written


def test_a_value_that_holds_itself_is_refused() -> None:
    knot: list[object] = []
    knot.append(knot)

    for text in ["{{.}}", "{{print .}}", '{{printf "%d" .}}', "{{html .}}"]:
        with pytest.raises(gotemplate.ExecError, match="value nests too deep to be printed"):
            gotemplate.parse("a.tmpl", text).execute(knot)
