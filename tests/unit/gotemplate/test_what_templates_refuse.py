"""How wrong templates are refused: every message as Go 1.19 itself gives it, with line, column and node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import pytest

import gotemplate

DATA: dict[str, object] = {
    **{"a": "x", "n": 3, "f": 2.5, "nul": None, "l": [1, "two"], "m": {"b": 2}, "t": True},
}


class Strings(list[str]):
    go_type = "[]string"


class Pair:
    go_type: ClassVar[str] = "main.Pair"
    go_fields: ClassVar[Mapping[str, str]] = {"Key": "key", "Value": "value"}
    go_methods: ClassVar[Mapping[str, str]] = {"Up": "up"}
    key, value = "k", "v"

    def up(self, end: str) -> str:
        return self.key.upper() + end


def getv(key: str, *default: str) -> str:
    if default:
        return default[0]
    raise gotemplate.FunctionError(f"key does not exist: {key}")


def add(first: int, second: int) -> int:
    return first + second


def half(number: float) -> float:
    return number / 2


def flip(value: bool) -> bool:
    return not value


def upper(text: str) -> str:
    return text.upper()


def join(parts: list[str], between: str) -> str:
    return between.join(parts)


def boom() -> str:
    raise RuntimeError("ouch")


def half_of_int(number: int) -> int:
    return number // 2


def channel() -> Iterator[int]:
    return iter([1])


FUNCTIONS: dict[str, Callable[..., object]] = {
    **{"getv": getv, "add": add, "half": half, "flip": flip, "upper": upper, "join": join, "boom": boom},
    **{"id": lambda value: value, "pair": Pair, "getvs": lambda key: Strings(["x"]), "ch": channel},
    "fn": lambda: half_of_int,
}


EXECUTION = [
    ('x {{getv "/absent"}}',
     '1:4: executing "a.tmpl" at <getv "/absent">: error calling getv: key does not exist: /absent'),
    ("{{getv}}", '1:2: executing "a.tmpl" at <getv>: wrong number of args for getv: want at least 1 got 0'),
    ("{{getv 1}}", '1:7: executing "a.tmpl" at <1>: expected string; found 1'),
    ("{{getv .n}}", '1:7: executing "a.tmpl" at <.n>: wrong type for value; expected string; got int'),
    ("{{getv nil}}", '1:7: executing "a.tmpl" at <nil>: cannot assign nil to string'),
    ("{{getv .absent}}", '1:7: executing "a.tmpl" at <.absent>: invalid value; expected string'),
    ("{{getv .nul}}",
     '1:7: executing "a.tmpl" at <.nul>: wrong type for value; expected string; got interface {}'),
    ("{{.n | getv}}", '1:7: executing "a.tmpl" at <getv>: wrong type for value; expected string; got int'),
    ("{{upper}}", '1:2: executing "a.tmpl" at <upper>: wrong number of args for upper: want 1 got 0'),
    ("{{upper .a .a}}", '1:2: executing "a.tmpl" at <upper>: wrong number of args for upper: want 1 got 2'),
    ("{{.a | upper .a}}", '1:7: executing "a.tmpl" at <upper>: wrong number of args for upper: want 1 got 2'),
    ("{{upper true}}", '1:8: executing "a.tmpl" at <true>: expected string; found true'),
    ("{{upper (len .a)}}",
     '1:13: executing "a.tmpl" at <.a>: wrong type for value; expected string; got int'),
    ("{{add 1 2.5}}", '1:8: executing "a.tmpl" at <2.5>: expected integer; found 2.5'),
    ('{{add 1 "2"}}', '1:8: executing "a.tmpl" at <"2">: expected integer; found "2"'),
    ("{{add 1 .f}}", '1:8: executing "a.tmpl" at <.f>: wrong type for value; expected int; got float64'),
    ("{{add 1 9223372036854775808}}",
     '1:8: executing "a.tmpl" at <9223372036854775808>: expected integer; found 9223372036854775808'),
    ("{{9223372036854775808}}",
     '1:2: executing "a.tmpl" at <9223372036854775808>: 9223372036854775808 overflows int'),
    ("{{half .n}}", '1:7: executing "a.tmpl" at <.n>: wrong type for value; expected float64; got int'),
    ('{{half "x"}}', '1:7: executing "a.tmpl" at <"x">: expected float; found "x"'),
    ("{{flip 1}}", '1:7: executing "a.tmpl" at <1>: expected bool; found 1'),
    ('{{join "a" ","}}', "1:7: executing \"a.tmpl\" at <\"a\">: can't handle \"a\" for arg of type []string"),
    ('{{join 1 ","}}', "1:7: executing \"a.tmpl\" at <1>: can't handle 1 for arg of type []string"),
    ('{{join .nul ","}}',
     '1:7: executing "a.tmpl" at <.nul>: wrong type for value; expected []string; got interface {}'),
    ("{{boom}}", '1:2: executing "a.tmpl" at <boom>: error calling boom: ouch'),
    ("{{.nul.b}}", '1:6: executing "a.tmpl" at <.nul.b>: nil pointer evaluating interface {}.b'),
    ("{{.n.x}}", "1:4: executing \"a.tmpl\" at <.n.x>: can't evaluate field x in type interface {}"),
    ("{{.m.b.c}}", "1:4: executing \"a.tmpl\" at <.m.b.c>: can't evaluate field c in type interface {}"),
    ("{{.m.b 1}}", '1:4: executing "a.tmpl" at <.m.b>: b is not a method but has arguments'),
    ("{{.a 1}}", '1:2: executing "a.tmpl" at <.a>: a is not a method but has arguments'),
    ("{{1 2}}", "1:2: executing \"a.tmpl\" at <1>: can't give argument to non-function 1"),
    ("{{. 1}}", "1:2: executing \"a.tmpl\" at <.>: can't give argument to non-function ."),
    ("{{1 | (.a)}}", "1:2: executing \"a.tmpl\" at <1>: can't give argument to non-function .a"),
    ("{{nil}}", '1:2: executing "a.tmpl" at <nil>: nil is not a command'),
    ("{{nil | print}}", '1:2: executing "a.tmpl" at <nil>: nil is not a command'),
    ("{{(nil).x}}", '1:3: executing "a.tmpl" at <nil>: nil is not a command'),
    ("{{(index .l 0).foo}}", "1:12: executing \"a.tmpl\" at <0>: can't evaluate field foo in type int"),
    ("{{(id .nul).foo}}{{id .nul.foo}}",
     '1:26: executing "a.tmpl" at <.nul.foo>: nil pointer evaluating interface {}.foo'),
    ("{{range .l}}{{.foo}}{{end}}",
     "1:14: executing \"a.tmpl\" at <.foo>: can't evaluate field foo in type interface {}"),
    ("{{range $v := .l}}{{$v.foo}}{{end}}",
     "1:22: executing \"a.tmpl\" at <$v.foo>: can't evaluate field foo in type interface {}"),
    ('{{range getvs "/x"}}{{.foo}}{{end}}',
     "1:22: executing \"a.tmpl\" at <.foo>: can't evaluate field foo in type string"),
    ("{{$v := .a}}{{$v.foo}}",
     "1:16: executing \"a.tmpl\" at <$v.foo>: can't evaluate field foo in type string"),
    ("{{with .n}}{{.foo}}{{end}}",
     "1:13: executing \"a.tmpl\" at <.foo>: can't evaluate field foo in type int"),
    ("{{pair.Nope}}", "1:2: executing \"a.tmpl\" at <pair>: can't evaluate field Nope in type main.Pair"),
    ("{{pair.Key 1}}",
     '1:2: executing "a.tmpl" at <pair>: Key has arguments but cannot be invoked as function'),
    ("{{pair.Up}}", '1:2: executing "a.tmpl" at <pair>: wrong number of args for Up: want 1 got 0'),
    ("{{pair.Up 1}}", '1:10: executing "a.tmpl" at <1>: expected string; found 1'),
    ('{{pair.Up "a" "b"}}', '1:2: executing "a.tmpl" at <pair>: wrong number of args for Up: want 1 got 2'),
    ("{{range .f}}{{end}}", "1:8: executing \"a.tmpl\" at <.f>: range can't iterate over 2.5"),
    ("{{range .a | upper}}{{end}}", "1:13: executing \"a.tmpl\" at <upper>: range can't iterate over X"),
    ("{{if .t}}{{$q := 1}}{{else}}{{end}}{{if .nul}}{{$q := 1}}{{else}}{{$q}}{{end}}",
     '1:67: executing "a.tmpl" at <$q>: undefined variable: $q'),
    ('{{template "nope"}}', '1:11: executing "a.tmpl" at <{{template "nope"}}>: template "nope" not defined'),
    ('{{template "nope" .a}}',
     '1:11: executing "a.tmpl" at <{{template "nope" .a}}>: template "nope" not defined'),
    ('{{define "x"}}\n  {{.b}}{{end}}{{template "x" .a}}',
     "2:4: executing \"x\" at <.b>: can't evaluate field b in type string"),
    ("é\né{{.n.x}}", "2:6: executing \"a.tmpl\" at <.n.x>: can't evaluate field x in type interface {}"),
    ("{{index .l 3}}", '1:2: executing "a.tmpl" at <index .l 3>: error calling index: index out of range: 3'),
    ("{{index .l 2}}",
     '1:2: executing "a.tmpl" at <index .l 2>: error calling index: reflect: slice index out of range'),
    ("{{index .l -1}}",
     '1:2: executing "a.tmpl" at <index .l -1>: error calling index: index out of range: -1'),
    ('{{index .l "x"}}',
     '1:2: executing "a.tmpl" at <index .l "x">: '
     "error calling index: cannot index slice/array with type string"),
    ("{{index .l nil}}",
     '1:2: executing "a.tmpl" at <index .l nil>: error calling index: cannot index slice/array with nil'),
    ("{{index .m 1}}",
     '1:2: executing "a.tmpl" at <index .m 1>: error calling index: value has type int; should be string'),
    ("{{index .n 1}}",
     "1:2: executing \"a.tmpl\" at <index .n 1>: error calling index: can't index item of type int"),
    ("{{index .nul 1}}",
     '1:2: executing "a.tmpl" at <index .nul 1>: error calling index: index of untyped nil'),
    ("{{slice .a 2 1}}",
     '1:2: executing "a.tmpl" at <slice .a 2 1>: error calling slice: index out of range: 2'),
    ("{{slice .a 3}}", '1:2: executing "a.tmpl" at <slice .a 3>: error calling slice: index out of range: 3'),
    ("{{slice .a 1 2 3}}",
     '1:2: executing "a.tmpl" at <slice .a 1 2 3>: error calling slice: cannot 3-index slice a string'),
    ("{{slice .n 1}}",
     "1:2: executing \"a.tmpl\" at <slice .n 1>: error calling slice: can't slice item of type int"),
    ("{{len .n}}", '1:2: executing "a.tmpl" at <len .n>: error calling len: len of type int'),
    ("{{len .nul}}", '1:2: executing "a.tmpl" at <len .nul>: error calling len: len of nil pointer'),
    ("{{eq 1 1.0}}",
     '1:2: executing "a.tmpl" at <eq 1 1.0>: error calling eq: incompatible types for comparison'),
    ("{{eq 1 .a}}",
     '1:2: executing "a.tmpl" at <eq 1 .a>: error calling eq: incompatible types for comparison'),
    ("{{eq 1}}", '1:2: executing "a.tmpl" at <eq 1>: error calling eq: missing argument for comparison'),
    ("{{eq .l .l}}",
     '1:2: executing "a.tmpl" at <eq .l .l>: '
     "error calling eq: non-comparable type [%!s(int=1) two]: []interface {}"),
    ("{{lt 1 .a}}",
     '1:2: executing "a.tmpl" at <lt 1 .a>: error calling lt: incompatible types for comparison'),
    ("{{lt true false}}",
     '1:2: executing "a.tmpl" at <lt true false>: error calling lt: invalid type for comparison'),
    ("{{lt .l 1}}", '1:2: executing "a.tmpl" at <lt .l 1>: error calling lt: invalid type for comparison'),
    ("{{and}}", '1:2: executing "a.tmpl" at <and>: wrong number of args for and: want at least 1 got 0'),
    ("{{not}}", '1:2: executing "a.tmpl" at <not>: wrong number of args for not: want 1 got 0'),
    ("{{call .n 1}}", '1:2: executing "a.tmpl" at <call .n 1>: error calling call: non-function of type int'),
    ("{{call nil}}", '1:2: executing "a.tmpl" at <call nil>: error calling call: call of nil'),
    ("{{call fn}}",
     '1:2: executing "a.tmpl" at <call fn>: error calling call: wrong number of args: got 0 want 1'),
    ("{{call fn 1 2}}",
     '1:2: executing "a.tmpl" at <call fn 1 2>: error calling call: wrong number of args: got 2 want 1'),
    ('{{call fn "x"}}',
     '1:2: executing "a.tmpl" at <call fn "x">: '
     "error calling call: arg 0: value has type string; should be int"),
    ("{{printf .n}}", '1:9: executing "a.tmpl" at <.n>: wrong type for value; expected string; got int'),
    ("{{ch}}", "1:2: executing \"a.tmpl\" at <{{ch}}>: can't print {{ch}} of type chan interface {}"),
]  # fmt: skip


PARSING = [
    ("{{frob}}", '1: function "frob" not defined'),
    ("{{.a | frob}}", '1: function "frob" not defined'),
    ("a\nb\n{{frob}}", '3: function "frob" not defined'),
    ("{{$x}}", '1: undefined variable "$x"'),
    ('{{define "x"}}{{$x}}{{end}}', '1: undefined variable "$x"'),
    ('{{$x := 1}}{{define "x"}}{{$x}}{{end}}', '1: undefined variable "$x"'),
    ("{{.a", "1: unclosed action"),
    ("a\n{{\n.a\n", "4: unclosed action started at a.tmpl:2"),
    ("{{if .a}}", "1: unexpected EOF"),
    ("{{if .a}}x{{else}}", "1: unexpected EOF"),
    ("{{range .l}}{{end}}{{end}}", "1: unexpected {{end}}"),
    ("{{else}}", "1: unexpected {{else}}"),
    ("{{if .a}}{{else}}{{else}}{{end}}", "1: expected end; found {{else}}"),
    ("{{if}}{{end}}", "1: missing value for if"),
    ("{{range}}{{end}}", "1: missing value for range"),
    ("{{}}", "1: missing value for command"),
    ("{{ }}", "1: missing value for command"),
    ("{{/* a", "1: unclosed comment"),
    ("{{/* a */ b}}", "1: comment ends before closing delimiter"),
    ("{{|}}", '1: unexpected "|" in command'),
    ("{{1 | 2}}", "1: non executable command in pipeline stage 2"),
    ("{{.a | .b | true}}", "1: non executable command in pipeline stage 3"),
    ("{{print | | print}}", '1: unexpected "|" in command'),
    ("{{(1}}", "1: unclosed left paren"),
    ("{{(1))}}", '1: unexpected ")" in command'),
    ("{{()}}", "1: missing value for parenthesized pipeline"),
    ("{{print(1)}}", '1: unexpected "(" in operand'),
    ("{{print 1)}}", '1: unexpected ")" in command'),
    ("{{.a}}}{{.a }", '1: unexpected "}" in operand'),
    ("{{} }}", '1: unexpected "}" in command'),
    ('{{"a}}', "1: unterminated quoted string"),
    ("{{`a}}", "1: unterminated raw quoted string"),
    ("{{'a}}", "1: unterminated character constant"),
    ("{{'ab'}}", "1: malformed character constant: 'ab'"),
    ('{{"\\z"}}', "1: invalid syntax"),
    ("{{1a}}", '1: bad number syntax: "1a"'),
    ("{{08}}", '1: integer overflow: "08"'),
    ("{{0x}}", '1: illegal number syntax: "0x"'),
    ("{{1__0}}", '1: illegal number syntax: "1__0"'),
    ("{{18446744073709551616}}", '1: integer overflow: "18446744073709551616"'),
    ("{{1e400}}", '1: illegal number syntax: "1e400"'),
    ("{{1+2}}", '1: bad number syntax: "1+2"'),
    ("{{.a-b}}", "1: bad character U+002D '-'"),
    ("{{a.b}}", '1: function "a" not defined'),
    ("{{$x=1}}", "1: bad character U+003D '='"),
    ("{{:}}", "1: expected :="),
    ("{{@}}", '1: unexpected "@" in command'),
    ("{{é}}", '1: function "é" not defined'),
    ("{{☃}}", "1: unrecognized character in action: U+2603 '☃'"),
    ("{{nil.x}}", '1: unexpected . after term "nil"'),
    ('{{"x".y}}', '1: unexpected . after term "\\"x\\""'),
    ("{{1 .x.y}}{{..a}}", '1: unexpected . after term "."'),
    ("{{template}}", '1: unexpected "}}" in template clause'),
    ("{{template .a}}", '1: unexpected ".a" in template clause'),
    ('{{template "x" 1 2}', '1: unexpected "}" in operand'),
    ("{{define x}}{{end}}", '1: unexpected "x" in define clause'),
    ('{{define "x" 1}}{{end}}', '1: unexpected "1" in define clause'),
    ('{{define "x"}}', "1: unexpected EOF"),
    ('{{define "x"}}{{else}}{{end}}', "1: unexpected {{else}} in define clause"),
    ('{{if true}}{{define "x"}}{{end}}{{end}}', "1: unexpected <define> in command"),
    ('{{define "x"}}1{{end}}{{define "x"}}2{{end}}', '1: template: multiple definition of template "x"'),
    ('{{block "x"}}{{end}}', "1: missing value for block clause"),
    ('{{block "x" .}}', "1: unexpected EOF"),
    ("{{break}}", "1: {{break}} outside {{range}}"),
    ("{{continue}}", "1: {{continue}} outside {{range}}"),
    ('{{range .l}}{{block "x" .}}{{break}}{{end}}{{end}}', "1: {{break}} outside {{range}}"),
    ("{{range .l}}{{break 1}}{{end}}", '1: unexpected "1" in {{break}}'),
    ("{{range $a, $b, $c := .l}}{{end}}", "1: too many declarations in range"),
    ("{{range $a, 3 := .l}}{{end}}", "1: range can only initialize variables"),
    ("{{$a, $b := .l}}", "1: too many declarations in command"),
    ("{{range .absent}}x{{else if .a}}y{{end}}", "1: unexpected <if> in input"),
    ("{{with .absent}}x{{else if .a}}y{{end}}", "1: unexpected <if> in input"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), PARSING)
def test_a_text_that_is_no_template_is_refused(text: str, message: str) -> None:
    with pytest.raises(gotemplate.ParseError) as raised:
        gotemplate.parse("a.tmpl", text, FUNCTIONS)

    assert str(raised.value) == f"template: a.tmpl:{message}"


@pytest.mark.parametrize(("text", "message"), EXECUTION)
def test_a_template_that_does_not_fit_its_data_is_refused(text: str, message: str) -> None:
    template = gotemplate.parse("a.tmpl", text, FUNCTIONS)

    with pytest.raises(gotemplate.ExecError) as raised:
        template.execute(DATA)

    assert str(raised.value) == f"template: a.tmpl:{message}"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("no"),
        IndexError("no"),
        TypeError("no"),
        OSError("no"),
        gotemplate.FunctionError("no"),
    ],
)
def test_whatever_a_function_raises_is_an_error_of_the_template(error: Exception) -> None:
    def refuse() -> None:
        raise error

    with pytest.raises(gotemplate.ExecError, match=r"at <refuse>: error calling refuse: no$"):
        gotemplate.parse("a.tmpl", "{{refuse}}", {"refuse": refuse}).execute()


def test_a_parameter_with_a_default_is_told_from_a_variadic_one() -> None:
    def seq(first: int, last: int = 9) -> list[int]:
        return list(range(first, last))

    for text, message in [
        ("{{seq}}", "want at least 1 got 0"),
        ("{{seq 1 2 3}}", "want at most 2 got 3"),
    ]:
        with pytest.raises(gotemplate.ExecError, match=f"wrong number of args for seq: {message}$"):
            gotemplate.parse("a.tmpl", text, {"seq": seq}).execute()
