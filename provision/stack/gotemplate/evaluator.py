"""Makes functions of pipelines, commands and operands: called with a frame and dot, they give a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from gotemplate.arguments import Argument, Functions, constant, validate
from gotemplate.errors import ExecError, message_of
from gotemplate.fields import FieldError, boxes, fetch
from gotemplate.frame import ABSENT, UNSET, Evaluate, Frame, Piped
from gotemplate.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Nil,
    Node,
    Number,
    Operand,
    Pipe,
    String,
    Tree,
    Variable,
)
from gotemplate.quoting import byte_length, quote
from gotemplate.scope import Scope
from gotemplate.signatures import ANY, Type
from gotemplate.values import INVALID, method, truth


class Evaluator:
    """Compiles the pipelines of one template; errors name the template's file, line and column."""

    def __init__(self, tree: Tree, functions: Functions):
        self.scope = Scope()
        self._tree = tree
        self._functions = functions

    def fail(self, node: Node, message: str) -> ExecError:
        tree = self._tree
        before = tree.text[: node.pos]
        line_start = before.rfind("\n") + 1
        place = f"{tree.file}:{before.count(chr(10)) + 1}:{byte_length(before[line_start:])}"
        return ExecError(f"template: {place}: executing {quote(tree.name)} at <{node}>: {message}")

    def pipeline(self, pipe: Pipe) -> Evaluate:
        """What evaluates the pipeline and sets its variables; a nil result is INVALID from here on."""
        commands = []
        at: Node = pipe
        for number, command in enumerate(pipe.commands):
            commands.append(self._command(command, number > 0, at))
            at = self.last_node(command)
        first, rest = commands[0], commands[1:]
        slots = [self._variable_slot(variable, pipe.assigns) for variable in pipe.declared]

        def single(frame: Frame, dot: object) -> object:
            value = first(frame, dot, ABSENT)
            return INVALID if value is None else value

        def several(frame: Frame, dot: object) -> object:
            value = first(frame, dot, ABSENT)
            for command in rest:
                value = command(frame, dot, INVALID if value is None else value)
            if value is None:
                value = INVALID
            for variable, slot in zip(pipe.declared, slots, strict=True):
                if slot is None:
                    raise self.fail(at, f"undefined variable: {variable}")
                frame.variables[slot] = value
            return value

        return several if rest or slots else single

    def last_node(self, node: Node) -> Node:
        """Where Go believes to be once the node was evaluated: its errors then name that place."""
        while True:
            if isinstance(node, Pipe):
                node = node.commands[-1]
            elif isinstance(node, Command):
                node = node.args[-1]
            elif isinstance(node, Chain):
                node = node.inner
            else:
                return node

    def _variable_slot(self, variable: Variable, assigns: bool) -> int | None:
        return self.scope.find(variable.name) if assigns else self.scope.declare(variable.name)

    def _command(self, command: Command, piped: bool, at: Node) -> Piped:
        first = command.args[0]
        if isinstance(first, Identifier):
            return self._function(first, command, command.args[1:], piped)
        has_args = piped or len(command.args) > 1
        if isinstance(first, (Field, Chain)) or (isinstance(first, Variable) and first.names):
            if has_args:
                return self._method_call(first, command.args[1:])
            return _unpiped(self._operand(first))
        if has_args:
            place = at if isinstance(first, Pipe) else first
            return self._raising(place, f"can't give argument to non-function {first}")
        if isinstance(first, Nil):
            return self._raising(first, "nil is not a command")
        return _unpiped(self._operand(first))

    def _operand(self, node: Operand) -> Evaluate:
        """What evaluates an operand that takes no arguments."""
        if isinstance(node, Dot):
            return lambda frame, dot: dot
        if isinstance(node, (Field, Chain)) or (isinstance(node, Variable) and node.names):
            return self._fields(node)
        if isinstance(node, Variable):
            return self._variable(node)
        if isinstance(node, Pipe):
            return self.pipeline(node)
        if isinstance(node, Identifier):
            call = self._function(node, node, (), piped=False)
            return lambda frame, dot: call(frame, dot, ABSENT)
        if isinstance(node, Nil):
            return lambda frame, dot: None
        value, problem = constant(node, ANY)
        if problem is not None:
            raising = self._raising(node, problem)
            return lambda frame, dot: raising(frame, dot, ABSENT)
        return lambda frame, dot: value

    def _variable(self, node: Variable) -> Evaluate:
        slot = self.scope.find(node.name)

        def read(frame: Frame, dot: object) -> object:
            value = UNSET if slot is None else frame.variables[slot]
            if value is UNSET:
                raise self.fail(node, f"undefined variable: {node.name}")
            return value

        return read

    def _receiver(self, node: Field | Variable | Chain) -> tuple[Evaluate, int | None]:
        """What evaluates that whose fields are asked for, and where a range notes its type."""
        if isinstance(node, Field):
            return (lambda frame, dot: dot), self.scope.dot_slot
        if isinstance(node, Variable):
            slot = self.scope.find(node.name)
            return self._variable(Variable(node.pos, node.name)), None if slot is None else self.scope.boxed(
                slot
            )
        if isinstance(node.inner, Nil):
            raising = self._raising(node, f"indirection through explicit nil in {node}")
            return (lambda frame, dot: raising(frame, dot, ABSENT)), None
        return self._operand(node.inner), None

    def _fields(self, node: Field | Variable | Chain) -> Evaluate:
        receiver, boxed_slot = self._receiver(node)
        at, names = self.last_node(node), node.names
        if len(names) > 1:
            walk = self._walk(node, names)
            return lambda frame, dot: walk(frame, dot)[0]
        (name,) = names

        def read(frame: Frame, dot: object) -> object:
            value = receiver(frame, dot)
            if type(value) is dict:
                found: object = value.get(name, INVALID)
                if found is not INVALID:
                    return found
            boxed = boxed_slot is not None and frame.variables[boxed_slot] is True
            return self._field(node, at, value, name, boxed)

        return read

    def _walk(
        self, node: Field | Variable | Chain, names: tuple[str, ...]
    ) -> Callable[[Frame, object], tuple[object, bool]]:
        """What the names lead to from the node's receiver; and whether Go knows it as `interface {}` only."""
        receiver, boxed_slot = self._receiver(node)
        at = self.last_node(node)

        def run(frame: Frame, dot: object) -> tuple[object, bool]:
            value = receiver(frame, dot)
            boxed = boxed_slot is not None and frame.variables[boxed_slot] is True
            for name in names:
                value, boxed = self._field(node, at, value, name, boxed), boxes(value)
            return value, boxed

        return run

    def _field(self, node: Node, at: Node, value: object, name: str, boxed: bool) -> object:
        bound = method(value, name)
        if bound is not None:
            refusal = self._functions.signature(bound).refusal(name, 0)
            if refusal:
                raise self.fail(at, refusal)
            return self._called(bound, [], name, node)
        try:
            return fetch(value, name, boxed)
        except FieldError as error:
            raise self.fail(at, str(error)) from None

    def _method_call(self, node: Field | Variable | Chain, operands: tuple[Operand, ...]) -> Piped:
        """Fields the last of which is a method that takes arguments."""
        *before, name = node.names
        owner = self._walk(node, tuple(before))
        at = self.last_node(node)
        arguments = [self._argument(operand) for operand in operands]

        def run(frame: Frame, dot: object, final: object) -> object:
            value, boxed = owner(frame, dot)
            bound = method(value, name)
            if bound is None:
                try:
                    return fetch(value, name, boxed, has_args=True)
                except FieldError as error:
                    raise self.fail(at, str(error)) from None
            signature = self._functions.signature(bound)
            refusal = signature.refusal(name, len(arguments) + (final is not ABSENT))
            if refusal:
                raise self.fail(at, refusal)
            values = [
                self._checked(argument, signature.type_of(number), frame, dot)
                for number, argument in enumerate(arguments)
            ]
            if final is not ABSENT:
                values.append(self._valid(final, signature.type_of(len(values)), at))
            return self._called(bound, values, name, node)

        return run

    def _function(self, node: Identifier, command: Node, operands: tuple[Operand, ...], piped: bool) -> Piped:
        name = node.name
        function = self._functions.get(name)
        signature = self._functions.signature(function)
        refusal = signature.refusal(name, len(operands) + piped)
        if refusal:
            return self._raising(node, refusal)
        arguments = [self._argument(operand) for operand in operands]
        if self._functions.stops_early(name):
            return self._stopping(arguments, stop_at=name == "or")
        evaluates = [self._typed(argument, signature.type_of(n)) for n, argument in enumerate(arguments)]
        last_type = signature.type_of(len(operands))
        last = arguments[-1].last if arguments else node

        def run(frame: Frame, dot: object, final: object) -> object:
            values = [evaluate(frame, dot) for evaluate in evaluates]
            if piped:
                values.append(self._valid(final, last_type, last))
            return self._called(function, values, name, command)

        return run

    def _called(self, function: Callable[..., object], values: list[object], name: str, node: Node) -> object:
        try:
            return function(*values)
        except RecursionError:
            raise
        except Exception as error:
            raise self.fail(node, f"error calling {name}: {message_of(error)}") from error

    def _stopping(self, arguments: list[Argument[Frame]], stop_at: bool) -> Piped:
        """`and` and `or`: the first argument that decides, or the last one."""

        def run(frame: Frame, dot: object, final: object) -> object:
            value: object = INVALID
            for argument in arguments:
                value = self._checked(argument, ANY, frame, dot)
                if truth(value) == stop_at:
                    return value
            return value if final is ABSENT else final

        return run

    def _argument(self, node: Operand) -> Argument[Frame]:
        return Argument(node, self._operand(node), self.last_node(node))

    def _typed(self, argument: Argument[Frame], wanted: Type) -> Evaluate:
        """What evaluates an argument and checks it; constants are checked once."""
        if isinstance(argument.node, (Bool, Nil, Number, String)):
            value, problem = constant(argument.node, wanted)
            if problem is None:
                return lambda frame, dot: value
            raising = self._raising(argument.node, problem)
            return lambda frame, dot: raising(frame, dot, ABSENT)
        evaluate, at = argument.evaluate, argument.last

        def run(frame: Frame, dot: object) -> object:
            return self._valid(evaluate(frame, dot), wanted, at)

        return run

    def _checked(self, argument: Argument[Frame], wanted: Type, frame: Frame, dot: object) -> object:
        return self._typed(argument, wanted)(frame, dot)

    def _valid(self, value: object, wanted: Type, at: Node) -> object:
        if wanted.kind is None:
            return None if value is INVALID else value
        value, problem = validate(value, wanted)
        if problem is not None:
            raise self.fail(at, problem)
        return value

    def _raising(self, node: Node, message: str) -> Piped:
        def run(frame: Frame, dot: object, final: object) -> NoReturn:
            raise self.fail(node, message)

        return run


def _unpiped(evaluate: Evaluate) -> Piped:
    return lambda frame, dot, final: evaluate(frame, dot)
