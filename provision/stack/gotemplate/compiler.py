"""Makes a function of each template: statements and loops here, pipelines in `evaluator`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TypeAlias

from gotemplate.arguments import Functions
from gotemplate.evaluator import Evaluator
from gotemplate.frame import Evaluate, Frame
from gotemplate.nodes import Action, Body, Branch, Call, Jump, Pipe, Statement, Text, Tree
from gotemplate.printing import TooDeep, display
from gotemplate.quoting import quote
from gotemplate.values import (
    BYTES,
    CHAN,
    FUNC,
    INT,
    INVALID,
    MAP,
    NIL,
    SLICE,
    element_type,
    kind,
    sorted_items,
    truth,
    type_name,
)

MAX_DEPTH = 150  # templates within templates; Go's 100,000 would be too many for Python's stack

Step: TypeAlias = Callable[[Frame, object], "str | None"]
Program: TypeAlias = Callable[[Frame, object], None]


def compile_trees(trees: Mapping[str, Tree], functions: Functions) -> dict[str, tuple[Program, int]]:
    """For each template what executes it, and how many variables its frame has room for."""
    programs: dict[str, tuple[Program, int]] = {}
    for name, tree in trees.items():
        compiler = _Compiler(tree, functions, programs)
        steps = compiler.body(tree.body)
        programs[name] = (_program(steps), compiler.scope.size)
    return programs


def _program(steps: tuple[Step, ...]) -> Program:
    def run(frame: Frame, dot: object) -> None:
        for step in steps:
            step(frame, dot)

    return run


def _run(steps: tuple[Step, ...], frame: Frame, dot: object) -> str | None:
    for step in steps:
        signal = step(frame, dot)
        if signal is not None:
            return signal
    return None


class _Compiler:
    def __init__(self, tree: Tree, functions: Functions, programs: Mapping[str, tuple[Program, int]]):
        self._evaluator = Evaluator(tree, functions)
        self._programs = programs
        self.scope = self._evaluator.scope

    def body(self, statements: Body) -> tuple[Step, ...]:
        return tuple(self._statement(statement) for statement in statements)

    def _statement(self, statement: Statement) -> Step:
        if isinstance(statement, Text):
            return _write(statement.text)
        if isinstance(statement, Action):
            return self._action(statement)
        if isinstance(statement, Call):
            return self._call(statement)
        if isinstance(statement, Jump):
            word = statement.word
            return lambda frame, dot: word
        return self._range(statement) if statement.word == "range" else self._condition(statement)

    def _action(self, action: Action) -> Step:
        evaluate = self._evaluator.pipeline(action.pipe)
        fail = self._evaluator.fail

        def declare(frame: Frame, dot: object) -> None:
            evaluate(frame, dot)

        def show(frame: Frame, dot: object) -> None:
            value = evaluate(frame, dot)
            if type(value) is str:
                frame.write(value)
                return
            if kind(value) in (FUNC, CHAN):
                raise fail(action, f"can't print {action} of type {type_name(value)}")
            try:
                frame.write(display(value))
            except TooDeep as error:
                raise fail(action, str(error)) from None

        return declare if action.pipe.declared else show

    def _call(self, call: Call) -> Step:
        evaluate = self._evaluator.pipeline(call.pipe) if call.pipe else None
        programs, fail = self._programs, self._evaluator.fail

        def run(frame: Frame, dot: object) -> None:
            if call.name not in programs:
                raise fail(call, f"template {quote(call.name)} not defined")
            if frame.depth >= MAX_DEPTH:
                raise fail(call, f"exceeded maximum template depth ({MAX_DEPTH})")
            program, size = programs[call.name]
            data = INVALID if evaluate is None else evaluate(frame, dot)
            program(Frame(frame.write, data, size, frame.depth + 1), data)

        return run

    def _condition(self, branch: Branch) -> Step:
        """`if` and `with`: they differ in what dot is within."""
        mark = self.scope.mark()
        changes_dot = branch.word == "with"
        arms: list[tuple[Evaluate, tuple[Step, ...]]] = []
        for pipe, body in branch.arms:
            evaluate = self._evaluator.pipeline(pipe)
            inner = self.scope.mark()
            with self.scope.dot(None if changes_dot else self.scope.dot_slot):
                arms.append((evaluate, self.body(body)))
            self.scope.pop(inner)
        otherwise = self.body(branch.otherwise or ())
        self.scope.pop(mark)

        def run(frame: Frame, dot: object) -> str | None:
            for evaluate, steps in arms:
                value = evaluate(frame, dot)
                if truth(value):
                    return _run(steps, frame, value if changes_dot else dot)
            return _run(otherwise, frame, dot)

        return run

    def _range(self, branch: Branch) -> Step:
        ((pipe, body),) = branch.arms
        mark = self.scope.mark()
        evaluate = self._evaluator.pipeline(pipe)
        boxed = self.scope.new_slot()
        slots = self._loop_slots(pipe, boxed)
        inner = self.scope.mark()
        with self.scope.dot(boxed):
            steps = self.body(body)
        self.scope.pop(inner)
        otherwise = self.body(branch.otherwise or ())
        self.scope.pop(mark)
        last, fail = self._evaluator.last_node(pipe), self._evaluator.fail

        def run(frame: Frame, dot: object) -> str | None:
            value = evaluate(frame, dot)
            variables = frame.variables
            try:
                variables[boxed] = element_type(value) is None
                pairs = _pairs(value, len(slots))
            except _CannotIterate as error:
                raise fail(last, str(error)) from None
            except TooDeep as error:
                raise fail(last, str(error)) from None
            entered = False
            for pair in pairs:
                entered = True
                element = pair[1]
                for slot, which in slots:
                    variables[slot] = pair[which]
                for step in steps:
                    signal = step(frame, element)
                    if signal is not None:
                        break
                else:
                    continue
                if signal == "break":
                    return None
            return None if entered else _run(otherwise, frame, dot)

        return run

    def _loop_slots(self, pipe: Pipe, boxed: int) -> tuple[tuple[int, int], ...]:
        """Which variable gets what in each round: 0 is the index, 1 the element."""
        names = [variable.name for variable in pipe.declared]
        which = [1] if len(names) == 1 else [0, 1]
        found = [self.scope.find(name) for name in names]
        if names and not pipe.assigns:
            self.scope.mark_boxed(names[-1], boxed)
        return tuple((slot, part) for slot, part in zip(found, which, strict=False) if slot is not None)


class _CannotIterate(Exception):
    """A value over which no range goes."""


def _pairs(value: object, variables: int) -> Sequence[tuple[object, object]] | enumerate[object]:
    its_kind = kind(value)
    if its_kind in (SLICE, BYTES):
        assert isinstance(value, (list, tuple, bytes))
        return enumerate(tuple(value))  # what a function in the loop does to the slice changes nothing
    if its_kind == MAP:
        assert isinstance(value, Mapping)
        return sorted_items(value)
    if its_kind == NIL:
        return ()
    if its_kind == CHAN:
        return enumerate(islice(value, None))  # type: ignore[call-overload]
    if its_kind == INT and isinstance(value, int):
        if variables > 1:
            raise _CannotIterate(f"can't use {value} to iterate over more than one variable")
        return enumerate(range(value))
    raise _CannotIterate(f"range can't iterate over {display(value)}")


def _write(text: str) -> Step:
    def run(frame: Frame, dot: object) -> None:
        frame.write(text)

    return run
