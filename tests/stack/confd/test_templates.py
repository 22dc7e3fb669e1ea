"""Templates rendered by confd, against output written by hand from what Go and confd document."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.stack.confd.conftest import Confd, Result
from tests.stack.conftest import Etcd

KEYS = {
    "/web/10.1.0.102": "10.1.0.102:8888",
    "/web/10.1.0.101": "10.1.0.101:7777",
    "/web/deep/er/x": "hidden",
    "/values/a": "b",
    "/values/b": "a",
    "/values/c": "b",
    "/values/long-name": "x",
    "/app/name": "Shop & <Co>",
    "/app/empty": "",
    "/app/number": "8080",
    "/app/yes": "true",
    "/app/list": "one,two,,three",
    "/app/json": '{"host": "db", "port": 5432, "tags": ["a", 2, null], "in": {"deep": true}, "none": null}',
    "/app/array": '[1, "two", true, null, {"k": "v"}]',
    "/app/floats": '{"a": 2181, "b": 1000000, "c": 123456789, "d": 0.00001, "e": 3.0, "f": 12.5, "g": -1}',
    "/app/unicode": "grüße",
    "/app/lines": "first\nsecond",
}


class Case(NamedTuple):
    template: str
    output: str


CASES = {
    # text, trim markers, comments
    "text stays": Case(" a\n\tb \n", " a\n\tb \n"),
    "no text": Case("", ""),
    "no newline is added": Case("x", "x"),
    "trim": Case("a \n {{- 1 -}} \n b", "a1b"),
    "trim on one side": Case("a {{- 1 }} b {{ 2 -}} c", "a1 b 2c"),
    "comment": Case("a{{/* not\nshown */}}b{{- /* nor this */ -}} c", "abc"),
    "literal braces": Case('{{"{{"}}x{{"}}"}}', "{{x}}"),
    # the articles'
    "article C": Case(
        'upstream apache_pool {\n{{ range getvs "/web/*" }}\n    server {{ . }};\n{{ end }}\n}\n',
        "upstream apache_pool {\n\n    server 10.1.0.101:7777;\n\n    server 10.1.0.102:8888;\n\n}\n",
    ),
    # reading the store
    "getv": Case('{{getv "/app/name"}}', "Shop & <Co>"),
    "getv of an empty value": Case('[{{getv "/app/empty"}}]', "[]"),
    "getv with a default": Case('{{getv "/none" "d"}} {{getv "/app/number" "d"}}', "d 8080"),
    "get": Case('{{with get "/app/number"}}{{.Key}}={{.Value}}{{end}}', "/app/number=8080"),
    "get in a pipe": Case('{{(get "/app/number").Value | printf "%q"}}', '"8080"'),
    "exists": Case('{{exists "/app/empty"}} {{exists "/app"}} {{exists "/none"}}', "true false false"),
    "gets by key": Case(
        '{{range gets "/values/*"}}{{base .Key}}={{.Value}};{{end}}', "a=b;b=a;c=b;long-name=x;"
    ),
    "getvs by value with doubles": Case('{{getvs "/values/?"}}', "[a b b]"),
    "gets of nothing": Case('{{range gets "/none/*"}}x{{else}}none{{end}}', "none"),
    "getvs of nothing": Case('{{len (getvs "/none/*")}}', "0"),
    "a star does not cross a slash": Case('{{len (gets "/web/*")}} {{len (gets "/web/*/*/*")}}', "2 1"),
    "a class": Case('{{range gets "/values/[ab]"}}{{.Value}}{{end}}', "ba"),
    "ls": Case('{{ls "/web"}}', "[10.1.0.101 10.1.0.102 deep]"),
    "ls of a value": Case('{{ls "/app/name"}}', "[name]"),
    "ls of nothing": Case('{{ls "/none"}}', "[]"),
    "ls does not take half a name": Case('{{ls "/we"}}', "[]"),
    "ls of the root": Case('{{ls "/"}}{{lsdir "/"}}', "[][]"),
    "lsdir": Case('{{lsdir "/web"}} {{lsdir "/web/deep"}} {{lsdir "/web/deep/er"}}', "[deep] [er] []"),
    "nested lookups": Case('{{range ls "/values"}}{{$k := printf "/values/%s" .}}{{getv $k}}{{end}}', "babx"),
    "index and value": Case('{{range $i, $v := getvs "/values/?"}}{{$i}}{{$v}} {{end}}', "0a 1b 2b "),
    "first of several": Case('{{index (getvs "/web/*") 0}}', "10.1.0.101:7777"),
    # text functions
    "base and dir": Case('{{base "/a/b"}} {{dir "/a/b"}} {{base ""}} {{dir "a"}}', "b /a . ."),
    "split": Case('{{range split (getv "/app/list") ","}}<{{.}}>{{end}}', "<one><two><><three>"),
    "split of nothing has one part": Case('{{len (split "" ",")}}', "1"),
    "split and join": Case('{{join (split "a:b:c" ":") "/"}}', "a/b/c"),
    "replace": Case('{{replace "aaa" "a" "b" 2}} {{replace "aaa" "a" "b" -1}}', "bba bbb"),
    "case": Case('{{toUpper "abc-ü"}} {{toLower "ABC-Ü"}} {{"x" | toUpper}}', "ABC-Ü abc-ü X"),
    "contains": Case('{{if contains "10.1.0.101" "0.1"}}yes{{end}}{{contains "a" "b"}}', "yesfalse"),
    "trimSuffix": Case('{{trimSuffix "web.service" ".service"}} {{trimSuffix "web" "x"}}', "web web"),
    "base64": Case('{{base64Encode "grüße"}} {{base64Decode "Z3LDvMOfZQ=="}}', "Z3LDvMOfZQ== grüße"),
    "length in bytes": Case('{{len (getv "/app/unicode")}}', "7"),
    "no HTML is escaped": Case('{{"<&\'>"}} {{html "<&>"}}', "<&'> &lt;&amp;&gt;"),
    "printf": Case(
        '{{printf "%s|%5d|%-4s|%q|%v|%05.1f|%x" "a" 42 "b" "c" true 2.25 255}}',
        'a|   42|b   |"c"|true|002.2|ff',
    ),
    "a character constant is a number": Case("{{'a'}}", "97"),
    # numbers
    "arithmetic": Case("{{add 1 2}} {{sub 1 2}} {{mul 3 4}} {{div 7 2}} {{mod 7 2}}", "3 -1 12 3 1"),
    "division is towards zero": Case("{{div -7 2}} {{mod -7 2}} {{div 7 -2}} {{mod 7 -2}}", "-3 -1 -3 1"),
    "atoi": Case('{{add (atoi (getv "/app/number")) 1}}', "8081"),
    "seq": Case("{{range seq 1 3}}{{.}},{{end}}{{seq 2 1}}", "1,2,3,[]"),
    "parseBool": Case('{{if parseBool (getv "/app/yes")}}on{{else}}off{{end}}', "on"),
    "sums wrap": Case("{{add 9223372036854775807 1}}", "-9223372036854775808"),
    # lists and maps
    "sortByLength": Case('{{range sortByLength (split "ccc,a,bb" ",")}}{{.}} {{end}}', "a bb ccc "),
    "sortKVByLength": Case(
        '{{with sortKVByLength (gets "/values/[al]*")}}{{(index . 0).Key}}{{end}}', "/values/a"
    ),
    "sorting is in place": Case('{{$l := split "bb,a" ","}}{{$x := sortByLength $l}}{{$l}}', "[a bb]"),
    "reverse": Case(
        '{{reverse (getvs "/values/?")}}{{range reverse (gets "/values/?")}}{{base .Key}}{{end}}',
        "[b b a]cba",
    ),
    "map": Case('{{$m := map "a" 1 "b" "two"}}{{$m.a}} {{index $m "b"}} {{$m}}', "1 two map[a:1 b:two]"),
    "a map for a named template": Case(
        '{{define "s"}}{{.ip}}:{{.port}}{{end}}{{template "s" map "ip" "10.0.0.1" "port" 80}}', "10.0.0.1:80"
    ),
    # JSON
    "json": Case('{{with json (getv "/app/json")}}{{.host}}:{{.port}} {{.in.deep}}{{end}}', "db:5432 true"),
    "json fields that are absent": Case(
        '{{$j := json (getv "/app/json")}}{{$j.no}} {{$j.none}} {{index $j "tags"}}',
        "<no value> <no value> [a 2 <nil>]",
    ),
    "json is ranged in order": Case(
        '{{range $k, $v := json "{\\"b\\": 1, \\"a\\": 2}"}}{{$k}}{{$v}}{{end}}', "a2b1"
    ),
    "json numbers": Case(
        '{{range json (getv "/app/floats")}}{{.}} {{end}}', "2181 1e+06 1.23456789e+08 1e-05 3 12.5 -1 "
    ),
    "json prints": Case('{{json "{\\"b\\": 2, \\"a\\": \\"x\\"}"}}', "map[a:x b:2]"),
    "jsonArray": Case('{{jsonArray (getv "/app/array")}}', "[1 two true <nil> map[k:v]]"),
    "jsonArray in a range": Case(
        '{{range $i, $e := jsonArray "[10, 20]"}}{{$i}}:{{$e}} {{end}}', "0:10 1:20 "
    ),
    # control
    "if and else if": Case(
        '{{if exists "/none"}}a{{else if eq (getv "/app/number") "8080"}}b{{else}}c{{end}}', "b"
    ),
    "logic": Case(
        '{{and 1 0}} {{or "" "x"}} {{not true}} {{and (exists "/none") (getv "/none")}}', "0 x false false"
    ),
    "comparison": Case(
        "{{eq 1 2 1}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 2}}",
        "true true true true false true",
    ),
    "with else": Case('{{with getv "/app/empty"}}a{{else}}b{{end}}', "b"),
    "variables": Case('{{$x := "a"}}{{range seq 1 2}}{{$x = printf "%s%d" $x .}}{{end}}{{$x}}', "a12"),
    "an inner variable is its own": Case("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
    "define and template": Case(
        '{{define "t"}}<{{.}}>{{end}}{{template "t" "a"}}{{template "t"}}', "<a><<no value>>"
    ),
    "block": Case('{{block "b" "x"}}[{{.}}]{{end}}', "[x]"),
    "the top is nil": Case("{{.}}{{with .}}x{{else}}y{{end}}", "<no value>y"),
    "slice and index": Case('{{slice "abcdef" 1 3}} {{index (split "a,b" ",") 1}}', "bc b"),
    "a value with a newline": Case('{{getv "/app/lines"}}', "first\nsecond"),
    # the world outside
    "getenv": Case(
        '{{getenv "CONFD_TEST"}} {{getenv "NO_SUCH" "d"}} {{getenv "CONFD_EMPTY" "e"}}', "seen d e"
    ),
    "fileExists": Case('{{fileExists "/etc/passwd"}} {{fileExists "/no/such"}}', "true false"),
    "datetime": Case('{{(datetime.Format "2006") | len}} {{gt datetime.Unix 0}}', "4 true"),
    "lookupIP": Case('{{lookupIPV4 "127.0.0.1"}} {{lookupIP "no such name"}}', "[127.0.0.1] []"),
}

ERRORS = {
    "a missing key": Case(
        'ab{{getv "/absent"}}',
        'template: NAME:1:4: executing "NAME" at <getv "/absent">: '
        "error calling getv: key does not exist: /absent",
    ),
    "an unknown function": Case(
        "{{frob}}", 'Unable to process template PATH, template: NAME:1: function "frob" not defined'
    ),
    "an action without an end": Case(
        "\n{{if true}}x", "Unable to process template PATH, template: NAME:2: unexpected EOF"
    ),
    "an index out of range": Case(
        "{{index (seq 1 2) 5}}",
        'template: NAME:1:2: executing "NAME" at <index (seq 1 2) 5>: '
        "error calling index: index out of range: 5",
    ),
    "what is no number": Case(
        '{{atoi "x"}}',
        'template: NAME:1:2: executing "NAME" at <atoi "x">: '
        'error calling atoi: strconv.Atoi: parsing "x": invalid syntax',
    ),
    "a division by zero": Case(
        "{{div 1 0}}",
        'template: NAME:1:2: executing "NAME" at <div 1 0>: '
        "error calling div: runtime error: integer divide by zero",
    ),
    "what is no JSON": Case(
        '{{json "{"}}',
        'template: NAME:1:2: executing "NAME" at <json "{">: '
        "error calling json: unexpected end of JSON input",
    ),
    "a malformed glob": Case(
        '{{gets "["}}',
        'template: NAME:1:2: executing "NAME" at <gets "[">: error calling gets: syntax error in pattern',
    ),
    "too few arguments": Case(
        "{{replace 1}}",
        'template: NAME:1:2: executing "NAME" at <replace>: wrong number of args for replace: want 4 got 1',
    ),
    "an endless recursion": Case(
        '{{define "t"}}{{template "t"}}{{end}}{{template "t"}}', "exceeded maximum template depth"
    ),
}


class Rendered(NamedTuple):
    result: Result
    folder: Path
    names: dict[str, str]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, etcd_server: Etcd) -> Rendered:
    """All templates, in one run of confd, as resources of their own."""
    folder = tmp_path_factory.mktemp("templates")
    confd = Confd(folder, (etcd_server.endpoint,))
    client = etcd_server.client()
    for key, value in KEYS.items():
        client.set(f"/cases{key}", value)
    names = {}
    for number, (what, case) in enumerate({**CASES, **ERRORS}.items()):
        names[what] = name = f"t{number:03d}"
        confd.template(case.template, f"{name}.tmpl")
        confd.resource(
            name, dest=str(folder / "out" / name), prefix="/cases", keys=["/web", "/values", "/app"]
        )
    result = confd.once(CONFD_TEST="seen", CONFD_EMPTY="")
    client.delete("/cases", recursive=True)
    return Rendered(result, folder, names)


@pytest.mark.parametrize("what", CASES)
def test_a_template_gives_what_go_gives(rendered: Rendered, what: str) -> None:
    path = rendered.folder / "out" / rendered.names[what]
    assert path.exists(), [each for each in rendered.result.said if path.name in each]
    assert path.read_bytes().decode() == CASES[what].output


@pytest.mark.parametrize("what", ERRORS)
def test_a_wrong_template_is_one_line_and_no_file(rendered: Rendered, what: str) -> None:
    name = f"{rendered.names[what]}.tmpl"
    said = [each for each in rendered.result.said if name in each and each.startswith("ERROR")]
    assert len(said) == 1
    path = f"{rendered.folder}/confd/templates/{name}"
    expected = ERRORS[what].output.replace("NAME", name).replace("PATH", path)
    assert expected in said[0]
    assert not (rendered.folder / "out" / rendered.names[what]).exists()


def test_the_run_fails_by_the_last_error(rendered: Rendered) -> None:
    assert rendered.result.code == 1
    assert rendered.result.said[-1].startswith("FATAL ")
    assert len(CASES) >= 40
    assert not [name for name in (rendered.folder / "out").iterdir() if name.name.startswith(".")]
