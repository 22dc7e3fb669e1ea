"""The part of the parser below statements: pipelines, commands, operands, and the tokens they come from."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager

from gotemplate import lexer, numbers
from gotemplate.errors import ParseError
from gotemplate.lexer import Token
from gotemplate.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Nil,
    Number,
    Operand,
    Pipe,
    String,
    Variable,
)
from gotemplate.quoting import quote, unquote

_OPERANDS = frozenset(
    {
        *(
            lexer.BOOL,
            lexer.CHAR_CONSTANT,
            lexer.COMPLEX,
            lexer.DOT,
            lexer.FIELD,
            lexer.IDENTIFIER,
            lexer.NIL,
        ),
        *(lexer.NUMBER, lexer.OPEN, lexer.RAW_STRING, lexer.STRING, lexer.VARIABLE),
    }
)
_VALUES = (Bool, Dot, Nil, Number, String)  # what cannot stand behind a `|`


class PipelineParser:
    """Reads pipelines from a list of tokens; `at` is the place of the next token."""

    def __init__(self, file: str, tokens: list[Token], functions: Container[str], max_nesting: int):
        self.file = file
        self.at = 0
        self.variables = ["$"]
        self.action_line = 0
        self._tokens = tokens
        self._functions = functions
        self._nesting_left = self._max_nesting = max_nesting
        self._furthest = 0

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def peek(self) -> Token:
        self._furthest = max(self._furthest, self.at)
        return self._tokens[min(self.at, len(self._tokens) - 1)]

    def next_non_space(self) -> Token:
        token = self.next()
        return self.next() if token.kind == lexer.SPACE else token

    def peek_non_space(self) -> Token:
        if self.peek().kind == lexer.SPACE:
            self.at += 1
        return self.peek()

    def error(self, message: str) -> ParseError:
        """An error on the line of the last token that was looked at."""
        line = self._tokens[min(self._furthest, len(self._tokens) - 1)].line
        return ParseError(f"template: {self.file}:{line}: {message}")

    def unexpected(self, token: Token, context: str) -> ParseError:
        if token.kind != lexer.ERROR:
            return self.error(f"unexpected {token} in {context}")
        where = ""
        if self.action_line and self.action_line != token.line:
            where = f" in action started at {self.file}:{self.action_line}"
            if token.text.endswith(" action"):
                where = where.removeprefix(" in action")
        return self.error(f"{token}{where}")

    @contextmanager
    def nested(self) -> Iterator[None]:
        """One level deeper; raises ParseError where a template nests deeper than any that people write."""
        if not self._nesting_left:
            raise self.error(f"exceeded maximum nesting depth ({self._max_nesting})")
        self._nesting_left -= 1
        yield
        self._nesting_left += 1

    def pipeline(self, context: str, end: str) -> Pipe:
        start = self.peek_non_space()
        declared, assigns = self._declarations(context)
        commands: list[Command] = []
        while (token := self.next_non_space()).kind != end:
            if token.kind not in _OPERANDS:
                raise self.unexpected(token, context)
            self.at -= 1
            commands.append(self._command())
        if not commands:
            raise self.error(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], start=2):
            if isinstance(command.args[0], _VALUES):
                raise self.error(f"non executable command in pipeline stage {stage}")
        return Pipe(start.pos, declared, assigns, tuple(commands))

    def _declarations(self, context: str) -> tuple[tuple[Variable, ...], bool]:
        declared: list[Variable] = []
        while self.peek_non_space().kind == lexer.VARIABLE:
            mark = self.at
            token = self.next()
            following = self.peek_non_space()
            if following.kind in (lexer.ASSIGN, lexer.DECLARE):
                self.next_non_space()
                declared.append(self._declare(token))
                return tuple(declared), following.kind == lexer.ASSIGN
            if following.kind != lexer.CHAR or following.text != ",":
                self.at = mark
                break
            self.next_non_space()
            declared.append(self._declare(token))
            if context != "range" or len(declared) > 1:
                raise self.error(f"too many declarations in {context}")
            if self.peek_non_space().kind not in (lexer.VARIABLE, lexer.RIGHT, lexer.CLOSE):
                raise self.error("range can only initialize variables")
        return tuple(declared), False

    def _declare(self, token: Token) -> Variable:
        self.variables.append(token.text)
        return Variable(token.pos, token.text)

    def _command(self) -> Command:
        start = self.peek_non_space()
        args: list[Operand] = []
        while True:
            self.peek_non_space()
            operand = self._operand()
            if operand is not None:
                args.append(operand)
            token = self.next()
            if token.kind == lexer.SPACE:
                continue
            if token.kind in (lexer.RIGHT, lexer.CLOSE):
                self.at -= 1
            elif token.kind != lexer.PIPE:
                raise self.unexpected(token, "operand")
            break
        if not args:
            raise self.error("empty command")
        return Command(start.pos, tuple(args))

    def _operand(self) -> Operand | None:
        term = self._term()
        start = self.peek()  # the place of a chain is that of its second part
        if term is None or self.peek().kind != lexer.FIELD:
            return term
        names: list[str] = []
        while self.peek().kind == lexer.FIELD:
            names.append(self.next().text[1:])
        if isinstance(term, Field):
            return Field(start.pos, (*term.names, *names))
        if isinstance(term, Variable):
            return Variable(start.pos, term.name, (*term.names, *names))
        if isinstance(term, _VALUES):
            raise self.error(f"unexpected . after term {quote(str(term))}")
        return Chain(start.pos, term, tuple(names))

    def _term(self) -> Operand | None:
        token = self.next_non_space()
        kind, pos, text = token.kind, token.pos, token.text
        if kind == lexer.IDENTIFIER:
            if text not in self._functions:
                raise self.error(f"function {quote(text)} not defined")
            return Identifier(pos, text)
        if kind == lexer.FIELD:
            return Field(pos, (text[1:],))
        if kind == lexer.VARIABLE:
            if text not in self.variables:
                raise self.error(f"undefined variable {quote(text)}")
            return Variable(pos, text)
        if kind == lexer.DOT:
            return Dot(pos)
        if kind == lexer.NIL:
            return Nil(pos)
        if kind == lexer.BOOL:
            return Bool(pos, text == "true")
        if kind == lexer.OPEN:
            with self.nested():
                return self.pipeline("parenthesized pipeline", lexer.CLOSE)
        try:
            if kind in (lexer.NUMBER, lexer.COMPLEX):
                return numbers.number(pos, text, kind == lexer.COMPLEX)
            if kind == lexer.CHAR_CONSTANT:
                return numbers.character(pos, text)
            if kind in (lexer.STRING, lexer.RAW_STRING):
                return String(pos, text, unquote(text))
        except ValueError as error:
            raise self.error(str(error)) from None
        self.at -= 1
        return None
