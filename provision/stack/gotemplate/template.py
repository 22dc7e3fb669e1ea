"""A parsed template, ready to be executed any number of times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gotemplate.arguments import Functions
from gotemplate.compiler import Program, compile_trees
from gotemplate.errors import ExecError, ParseError
from gotemplate.frame import Frame
from gotemplate.parser import parse_trees
from gotemplate.values import INVALID


class Template:
    """A template and those that it defines; it keeps no state between executions."""

    def __init__(self, name: str, programs: Mapping[str, tuple[Program, int]]):
        self.name = name
        self._programs = programs

    @property
    def defined(self) -> list[str]:
        """The names of this template and of those that it defines, sorted."""
        return sorted(self._programs)

    def execute(self, data: object = None) -> str:
        """The text that the template makes of `data`, which is dot and `$` in it.

        Raises ExecError.
        """
        program, size = self._programs[self.name]
        out: list[str] = []
        dot = INVALID if data is None else data
        try:
            program(Frame(out.append, dot, size, 0), dot)
        except RecursionError:
            raise ExecError(f"template: {self.name}: exceeded maximum template depth") from None
        return "".join(out)


def parse(
    name: str, text: str, functions: Mapping[str, Callable[..., object]] = MappingProxyType({})
) -> Template:
    """The template of that text; errors call it by `name`, usually that of its file.

    `functions` join Go's own, or take their place. What Python annotations say of their parameters is checked
    as Go checks it: str, int, float, bool, list, dict, and classes that declare fields (`gotemplate.values`);
    anything else takes any value. A function refuses by FunctionError, or by any other exception.
    Raises ParseError.
    """
    known = Functions(dict(functions))
    try:
        return Template(name, compile_trees(parse_trees(name, text, known), known))
    except RecursionError:
        raise ParseError(f"template: {name}: exceeded maximum nesting depth") from None
