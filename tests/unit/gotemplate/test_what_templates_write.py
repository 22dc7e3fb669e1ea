"""What templates make of data, case by case, by the documented semantics of Go's text/template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest

import gotemplate

DATA: dict[str, object] = {
    **{"a": "x", "n": 3, "f": 2.5, "big": 1e6, "nul": None, "t": True, "no": False, "z": 0, "es": ""},
    **{"l": [1, "two", True, None], "m": {"b": 2, "a": "x", "c": {"d": [1.5]}}, "e": [], "em": {}},
    "s": "hé<&>\"'=\n",
}


@dataclass(frozen=True)
class Pair:
    go_type: ClassVar[str] = "test.Pair"
    go_fields: ClassVar[Mapping[str, str]] = {"Key": "key", "Value": "value"}
    go_methods: ClassVar[Mapping[str, str]] = {"Shout": "shout"}
    key: str
    value: str

    def shout(self, end: str) -> str:
        return self.key.upper() + end


@dataclass(frozen=True)
class Moment:
    go_methods: ClassVar[Mapping[str, str]] = {"Format": "format", "String": "text", "Year": "year"}

    def format(self, layout: str) -> str:
        return layout.replace("2006", "1970")

    def text(self) -> str:
        return "the epoch"

    def year(self) -> int:
        return 1970


def channel() -> Iterator[int]:
    return iter([7, 8])


def double(number: int) -> int:
    return number * 2


FUNCTIONS: dict[str, Callable[..., object]] = {
    "add": lambda a, b: a + b,
    "channel": channel,
    "count": lambda *values: len(values),
    "doubler": lambda: double,
    "pair": lambda: Pair("k", "v"),
    "pairs": lambda: [Pair("/a", "1"), Pair("/b", "2")],
    "upper": str.upper,
    "when": Moment,
}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        # text, comments, white space
        ("plain } {x} text\n", "plain } {x} text\n"),
        ("", ""),
        ("a\n\n  {{- .a -}}  \n b", "axb"),
        ("{{- /* c */ -}} x", "x"),
        ("x {{/* c */}} y", "x  y"),
        ("x {{- /* {{ }} */ -}} y", "xy"),
        ("{{.a\n}}", "x"),
        ("{{ 1 -}}\n\n{{- 2 }}", "12"),
        ("{{-1}}", "-1"),
        # literals
        ("{{0x1F}} {{0o17}} {{017}} {{0b101}} {{1_000}} {{'a'}} {{'\\n'}} {{1e3}}",
         "31 15 15 5 1000 97 10 1000"),
        ("{{1.5}} {{.5}} {{1e6}} {{0x1p4}} {{-3}} {{+3}} {{1i}}", "1.5 0.5 1e+06 16 -3 3 (0+1i)"),
        ('{{"a\\tb\\u00e9\\x41\\101\\""}} {{`raw \\n`}}', 'a\tbéAA" raw \\n'),
        ("{{true}} {{false}}", "true false"),
        # values
        ("{{.absent}} {{.nul}} {{.absent.b}} {{print .nul}}", "<no value> <no value> <no value> <nil>"),
        ("{{.m}} {{.l}} {{.e}} {{.em}}", "map[a:x b:2 c:map[d:[1.5]]] [1 two true <nil>] [] map[]"),
        ("{{.f}} {{.big}} {{.m.c.d}} {{$.a}} {{$.m.b}}", "2.5 1e+06 [1.5] x 2"),
        # conditions
        ("{{if .t}}yes{{else}}no{{end}} {{if .z}}a{{else if .a}}b{{else}}c{{end}}", "yes b"),
        ("{{if .e}}1{{else if .em}}2{{else if .es}}3{{else if .nul}}4{{else if .no}}5{{else}}6{{end}}", "6"),
        ("{{if not .absent}}{{if and .a .n}}{{or .z .e .a}}{{end}}{{end}}", "x"),
        ("{{and .a .z .a.not.there}} {{or .a (index .l 99)}}", "0 x"),
        ("{{with .m}}{{.b}}{{end}} {{with .absent}}x{{else}}{{.a}}{{end}}", "2 x"),
        ("{{with $x := .n}}{{$x}}{{.}}{{end}}", "33"),
        ("{{with .absent}}1{{else with .a}}{{.}}{{else}}3{{end}}", "x"),
        # loops
        ("{{range .l}}<{{.}}>{{end}}", "<1><two><true><<no value>>"),
        ("{{range $i, $e := .l}}{{$i}}:{{$e}},{{end}}", "0:1,1:two,2:true,3:<no value>,"),
        ("{{range $e := .l}}{{$e}};{{end}}", "1;two;true;<no value>;"),
        ("{{range $k, $v := .m}}{{$k}} {{end}}", "a b c "),
        ("{{range .e}}x{{else}}none{{end}}{{range .nul}}x{{else}} nil{{end}}", "none nil"),
        ("{{range channel}}{{.}} {{end}}{{range $i, $x := channel}}{{$i}}{{$x}} {{end}}", "7 8 07 18 "),
        ("{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}{{range .z}}x{{else}}-{{end}}", "01201-"),
        ("{{range $i, $x := .l}}{{if eq $i 2}}{{break}}{{end}}{{.}}{{end}}", "1two"),
        ("{{range $i, $x := .l}}{{if eq $i 1}}{{continue}}{{end}}{{.}} {{end}}", "1 true <no value> "),
        ("{{range .l}}{{range $.m.c.d}}{{break}}{{end}}.{{end}}", "...."),
        # variables
        ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}{{if true}}{{$x = 3}}{{$x := 4}}{{$x}}{{end}}{{$x}}", "1243"),
        ("{{$x := 1}}{{range $x = .l}}{{end}}{{$x}}", "<no value>"),
        ("{{range $i, $e := .e}}{{else}}{{$i}}{{$e}}{{end}}", "[][]"),
        # templates
        ('{{define "x"}}[{{.}}]{{end}}{{template "x"}}{{template "x" .a}}', "[<no value>][x]"),
        ('{{define "x"}}{{$}}{{end}}{{template "x" .n}}', "3"),
        ('{{block "b" .a}}<{{.}}>{{end}}{{template "b" .n}}', "<x><3>"),
        ('{{define "x"}}1{{end}}{{define "x"}} {{end}}{{template "x"}}', "1"),
        ('{{define "x"}}{{if .}}{{len .}}{{template "x" (slice . 1)}}{{end}}{{end}}{{template "x" .l}}',
         "4321"),
        # pipelines, functions, methods
        ("{{.a | upper | printf `%s-%s` .a}}", "x-X"),
        ("{{1 | count 2 3}} {{count nil}} {{add 1 2}} {{(pair).Key}}{{pair.Value}}", "3 1 3 kv"),
        ('{{pair}} {{pair.Shout "!"}} {{"?" | pair.Shout}}', "{k v} K! K?"),
        ("{{range pairs}}{{.Key}}={{.Value}};{{end}}", "/a=1;/b=2;"),
        ('{{when.Format "2006-01"}} {{when.Year}} {{when}} {{printf "%v %s %q" when when when}}',
         '1970-01 1970 the epoch the epoch the epoch "the epoch"'),
        ("{{call doubler 2}} {{call (doubler) 3}}", "4 6"),
        # functions of Go's own
        ('{{len .s}} {{len "日本"}} {{len .l}} {{len .m}} {{len .e}}', "10 6 4 3 0"),
        ('{{index .l 1}} {{index .m "c" "d" 0}} {{index .m "zz"}} {{index .a 0}}', "two 1.5 <no value> 120"),
        ('{{slice "héllo" 0 3}} {{slice .l 1 2}} {{slice .a}} {{slice .l 2 3 4}}', "hé [two] x [true]"),
        ("{{eq .n 1 2 3}} {{ne .n 4}} {{lt 1 2}} {{le 2 2}} {{gt 1.5 2.5}} {{ge `b` `a`}}",
         "true true true true false true"),
        ("{{eq .nul nil}} {{eq .absent nil}} {{eq .nul 1}} {{eq true .t}}", "true true false true"),
        ("{{html .s}}|{{js .s}}|{{urlquery .s}}",
         "hé&lt;&amp;&gt;&#34;&#39;=\n|hé\\u003C\\u0026\\u003E\\\"\\'\\u003D\\u000A|h%C3%A9%3C%26%3E%22%27%3D%0A"),
        ("{{print 1 2 `a` `b` 3}} {{println 1 `a`}}{{print}}", "1 2ab3 1 a\n"),
    ],
)  # fmt: skip
def test_a_template_writes(text: str, written: str) -> None:
    assert gotemplate.parse("a.tmpl", text, FUNCTIONS).execute(DATA) == written


@pytest.mark.parametrize(
    ("data", "written"), [(None, "<no value>"), (5, "5"), ("s", "s"), ([None], "[<nil>]")]
)
def test_dot_is_the_data(data: object, written: str) -> None:
    assert gotemplate.parse("a.tmpl", "{{.}}").execute(data) == written


def test_a_template_without_data_is_empty_rather_than_wrong() -> None:
    text = "{{.x}} {{.x.y}} {{$}} {{range .}}x{{else}}e{{end}} {{with .}}x{{else}}e{{end}}"

    assert gotemplate.parse("a.tmpl", text).execute() == "<no value> <no value> <no value> e e"


def test_a_template_keeps_nothing_between_executions() -> None:
    template = gotemplate.parse("a.tmpl", "{{$x := .}}{{range $x}}{{$x = .}}{{end}}{{$x}}")

    assert [template.execute([1, 2]), template.execute([3])] == ["2", "3"]


def test_functions_of_the_user_take_the_place_of_gos() -> None:
    functions = {"len": lambda value: "mine", "and": lambda *values: "both"}

    assert gotemplate.parse("a.tmpl", "{{len 3}} {{and 0 1}}", functions).execute() == "mine both"


def test_a_function_called_break_hides_the_keyword() -> None:
    assert gotemplate.parse("a.tmpl", "{{break}}", {"break": lambda: "snap"}).execute() == "snap"


def test_a_template_knows_what_it_defines() -> None:
    assert gotemplate.parse("a.tmpl", '{{define "x"}}1{{end}}').defined == ["a.tmpl", "x"]
