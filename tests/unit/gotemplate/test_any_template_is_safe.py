"""Whatever is thrown at the engine: it renders or refuses, soon, and never by another exception."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import gotemplate

PIECES = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "{{-",
            "-}}",
            " ",
            "\n",
            "(",
            ")",
            "|",
            ".",
            "$",
            "$x",
            ":=",
            "=",
            ",",
            '"',
            "`",
            "'",
            "/*",
            "*/",
        ),
        *(
            "if",
            "else",
            "end",
            "range",
            "with",
            "define",
            "template",
            "block",
            "break",
            "continue",
            "nil",
            "true",
        ),
        *(
            ".a",
            ".b.c",
            "print",
            "printf",
            "len",
            "index",
            "eq",
            "and",
            '"%d"',
            "1",
            "0x",
            "1.5",
            "-",
            "i",
            "é",
            "\0",
        ),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=25).map("".join))

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.complex_numbers(),
    st.binary(max_size=4),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from("abc"), st.integers(0, 3)), inner, max_size=4),
    ),
    max_leaves=8,
)

ATOMS = st.sampled_from(
    [".", "$", ".a", "$.b", "1", "2.5", '"s"', "true", "(len $)", "(index $ 0)", "(print .)"]
)
COMMANDS = st.one_of(
    ATOMS,
    st.builds(
        "{} {} {}".format, st.sampled_from(["eq", "lt", "and", "or", "index", "slice", "call"]), ATOMS, ATOMS
    ),
    st.builds(
        "{} | {}".format,
        ATOMS,
        st.sampled_from(["print", "len", "html", "js", "urlquery", "not", "printf `%v`"]),
    ),
)
BODIES = st.recursive(
    st.one_of(st.text(alphabet="ab \n<é", max_size=5), COMMANDS.map("{{{{{}}}}}".format)),
    lambda inner: st.one_of(
        st.builds("{{{{if {}}}}}{}{{{{else}}}}{}{{{{end}}}}".format, COMMANDS, inner, inner),
        st.builds(
            "{{{{range $i, $e := {}}}}}{}{{{{$i}}}}{{{{else}}}}{}{{{{end}}}}".format, COMMANDS, inner, inner
        ),
        st.builds("{{{{with $x := {}}}}}{}{{{{$x}}}}{{{{end}}}}".format, COMMANDS, inner),
        st.builds("{}{}".format, inner, inner),
    ),
    max_leaves=10,
)


def refusal(action: Callable[[], object]) -> str:
    """What the engine says to an action; for one that it carries out, a message as it would give it."""
    try:
        action()
    except gotemplate.TemplateError as error:
        return str(error)
    return 'template: a.tmpl:1:2: executing "a.tmpl" at <.>: nothing'


@given(TEXTS)
@example("{{" * 50)
@example("{{(" + "(" * 500)
def test_any_text_parses_or_is_refused(text: str) -> None:
    assert refusal(lambda: gotemplate.parse("a.tmpl", text)).startswith("template: a.tmpl:")


@given(TEXTS, VALUES)
def test_what_parses_renders_or_is_refused(text: str, data: object) -> None:
    said = refusal(lambda: gotemplate.parse("a.tmpl", text).execute(data))

    assert said.startswith("template: a.tmpl:")


@given(st.text())
def test_text_without_actions_comes_back_as_it_is(text: str) -> None:
    text = text.replace("{{", "{")

    assert gotemplate.parse("a.tmpl", text).execute() == text


@given(BODIES, VALUES)
@settings(max_examples=200)
def test_a_valid_template_parses_and_renders_or_is_refused(text: str, data: object) -> None:
    template = gotemplate.parse("a.tmpl", text)

    assert 'executing "a.tmpl" at <' in refusal(lambda: template.execute(data))


@given(
    st.text(alphabet="%vdsqxXobctfFeEgGUOTpwz+-# 0123456789.*[]a", max_size=12),
    st.lists(VALUES, max_size=3),
)
def test_printf_takes_any_format_and_values(form: str, values: list[object]) -> None:
    arguments = "".join(f" (index $.values {number})" for number in range(len(values)))
    template = gotemplate.parse("a.tmpl", "{{printf .form" + arguments + "}}")

    assert isinstance(template.execute({"form": form, "values": values}), str)


@given(st.text())
def test_what_percent_q_writes_is_a_literal_of_the_same_string(text: str) -> None:
    quoted = gotemplate.parse("a.tmpl", '{{printf "%q" .}}').execute(text)

    assert gotemplate.parse("b.tmpl", "{{" + quoted + "}}").execute() == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_prints_by_digits_that_read_back_the_same(number: float) -> None:
    for form in ["%v", "%g", "%x"]:
        written = gotemplate.parse("a.tmpl", "{{printf .form .number}}").execute(
            {"form": form, "number": number}
        )

        assert (float.fromhex(written) if form == "%x" else float(written)) == number


@pytest.mark.parametrize(
    ("before", "middle", "after"),
    [
        ("{{if .}}", "x", "{{end}}"),
        ("{{range .}}", "x", "{{end}}"),
        ('{{block "NAME" .}}', "x", "{{end}}"),
        ("{{print ", "1", "}}"),
    ],
)
def test_what_nests_too_deep_is_refused(before: str, middle: str, after: str) -> None:
    def nested(depth: int) -> str:
        if before.startswith("{{print"):
            return before + "(" * depth + middle + ")" * depth + after
        return "".join(before.replace("NAME", f"b{n}") for n in range(depth)) + middle + after * depth

    assert gotemplate.parse("a.tmpl", nested(90)).execute([]) in ("", "x", "1")
    with pytest.raises(gotemplate.ParseError, match=r"exceeded maximum nesting depth \(100\)$"):
        gotemplate.parse("a.tmpl", nested(5000))


def test_a_long_chain_of_else_if_is_no_nest() -> None:
    text = "{{if eq . 0}}0" + "".join(f"{{{{else if eq . {n}}}}}{n}" for n in range(1, 3000)) + "{{end}}"

    assert gotemplate.parse("a.tmpl", text).execute(2999) == "2999"


@pytest.mark.parametrize(
    "text",
    [
        '{{template "a.tmpl"}}',
        '{{define "x"}}{{template "y"}}{{end}}{{define "y"}}{{template "x"}}{{end}}{{template "x"}}',
        '{{define "x"}}' + "{{if 1}}" * 50 + '{{template "x"}}' + "{{end}}" * 51 + '{{template "x"}}',
    ],
)
def test_a_template_that_calls_itself_for_ever_is_refused(text: str) -> None:
    with pytest.raises(gotemplate.ExecError, match=r"^template: .*exceeded maximum template depth"):
        gotemplate.parse("a.tmpl", text).execute()


def test_a_template_may_call_itself_as_deep_as_data_go() -> None:
    text = '{{define "x"}}{{if .}}({{range .}}{{template "x" .}}{{end}}){{end}}{{end}}{{template "x" .}}'
    data: list[object] = []
    for _ in range(60):
        data = [data]

    assert gotemplate.parse("a.tmpl", text).execute(data) == "(" * 60 + ")" * 60


def steps(action: Callable[[], object]) -> int:
    """How many calls, of Python and of C, an action takes: work as no busy machine distorts it."""
    count = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


def test_rendering_takes_work_in_proportion_to_the_data() -> None:
    template = gotemplate.parse(
        "a.tmpl", "{{range $i, $e := .}}{{if $i}}, {{end}}{{$e.key | printf `%q`}}={{.value}}{{end}}"
    )

    def work(entries: int) -> int:
        data = [{"key": f"/k/{number:05}", "value": number} for number in range(entries)]
        return steps(lambda: template.execute(data))

    small, large = work(500), work(5000)

    assert large / small == pytest.approx(10, rel=0.02)
    assert large / 5000 < 100


@pytest.mark.parametrize(
    "unit",
    [
        "text {{.a}}\n",
        "{{/* c */}}",
        "{{if .a}}x{{end}}",
        "{{print 1 | print 2}}",
        "{{`raw` -}} \n",
        "{{range .}}{{else}}{{end}}",
    ],
)
def test_parsing_takes_work_in_proportion_to_the_text(unit: str) -> None:
    def work(units: int) -> int:
        return steps(lambda: gotemplate.parse("a.tmpl", unit * units))

    small, large = work(100), work(1000)

    assert large / small == pytest.approx(10, rel=0.1)
