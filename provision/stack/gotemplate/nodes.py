"""What a template consists of once parsed; str() of a node is what an error shows between < and >."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gotemplate.quoting import quote


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """Anything with a place: `pos` is an index into the template's text."""

    pos: int


@dataclass(frozen=True, eq=False, repr=False)
class Dot(Node):
    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, eq=False, repr=False)
class Nil(Node):
    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, eq=False, repr=False)
class Bool(Node):
    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, eq=False, repr=False)
class String(Node):
    quoted: str
    value: str

    def __str__(self) -> str:
        return self.quoted


@dataclass(frozen=True, eq=False, repr=False)
class Number(Node):
    """A numeric constant; `integer` and `floating` are None where Go could not take it for one."""

    text: str
    value: int | float | complex | None  # None: a constant that no variable could hold
    integer: int | None
    floating: float | None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False, repr=False)
class Identifier(Node):
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False, repr=False)
class Field(Node):
    """`.A.B`: fields of dot."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, eq=False, repr=False)
class Variable(Node):
    """`$x.A`: a variable, perhaps with fields; `$` alone is the data the template was given."""

    name: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.names))


@dataclass(frozen=True, eq=False, repr=False)
class Chain(Node):
    """`(pipeline).A.B` or `function.A`: fields of a value that is neither dot nor a variable."""

    inner: Operand
    names: tuple[str, ...]

    def __str__(self) -> str:
        inner = f"({self.inner})" if isinstance(self.inner, Pipe) else str(self.inner)
        return inner + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, eq=False, repr=False)
class Command(Node):
    args: tuple[Operand, ...]

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


@dataclass(frozen=True, eq=False, repr=False)
class Pipe(Node):
    declared: tuple[Variable, ...]
    assigns: bool  # `=` to variables there are, rather than `:=`
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        names = ", ".join(map(str, self.declared)) + (" = " if self.assigns else " := ")
        return (names if self.declared else "") + " | ".join(map(str, self.commands))


@dataclass(frozen=True, eq=False, repr=False)
class Text(Node):
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False, repr=False)
class Action(Node):
    pipe: Pipe

    def __str__(self) -> str:
        return "{{" + str(self.pipe) + "}}"


@dataclass(frozen=True, eq=False, repr=False)
class Jump(Node):
    """`break` or `continue`."""

    word: str

    def __str__(self) -> str:
        return "{{" + self.word + "}}"


@dataclass(frozen=True, eq=False, repr=False)
class Call(Node):
    """`{{template "name" pipeline}}`."""

    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        return "{{template " + quote(self.name) + (f" {self.pipe}" if self.pipe else "") + "}}"


@dataclass(frozen=True, eq=False, repr=False)
class Branch(Node):
    """`if`, `with` or `range`; a chain of `else if` is one branch with several arms, not a nest."""

    word: str
    arms: tuple[tuple[Pipe, Body], ...]
    otherwise: Body | None

    def __str__(self) -> str:
        shown = []
        for number, (pipe, body) in enumerate(self.arms):
            shown.append("{{" + ("else " if number else "") + f"{self.word} {pipe}" + "}}" + show(body))
        if self.otherwise is not None:
            shown.append("{{else}}" + show(self.otherwise))
        return "".join(shown) + "{{end}}"


Operand: TypeAlias = Dot | Nil | Bool | String | Number | Identifier | Field | Variable | Chain | Pipe
Statement: TypeAlias = Text | Action | Jump | Call | Branch
Body: TypeAlias = tuple[Statement, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Tree:
    """A named template: its body, and the file it stands in, for the places that errors name."""

    name: str
    file: str
    text: str
    body: Body

    def is_empty(self) -> bool:
        """Whether it writes nothing but white space: such a definition replaces no other."""
        return all(isinstance(part, Text) and not part.text.strip() for part in self.body)


def show(body: Iterable[Statement]) -> str:
    return "".join(map(str, body))
