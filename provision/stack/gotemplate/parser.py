"""Makes trees of a template's tokens, and refuses what is no template in Go's words."""

from __future__ import annotations

from collections.abc import Container

from gotemplate import lexer
from gotemplate.lexer import Token, tokenize
from gotemplate.nodes import Action, Body, Branch, Call, Jump, Pipe, Statement, Text, Tree
from gotemplate.pipelines import PipelineParser
from gotemplate.quoting import quote, unquote

MAX_NESTING = 100  # blocks and parentheses within each other; bounds every recursion over a tree

_END, _ELSE = "{{end}}", "{{else}}"


def parse_trees(name: str, text: str, functions: Container[str]) -> dict[str, Tree]:
    """The template `name` and all that it defines, by name.

    Raises ParseError.
    """
    hidden = frozenset(word for word in ("break", "continue") if word in functions)
    parser = _Parser(name, text, tokenize(text, hidden), functions)
    parser.parse()
    return parser.trees


class _Parser(PipelineParser):
    def __init__(self, file: str, text: str, tokens: list[Token], functions: Container[str]):
        super().__init__(file, tokens, functions, MAX_NESTING)
        self.trees: dict[str, Tree] = {}
        self._text = text
        self._range_depth = 0

    def parse(self) -> None:
        statements: list[Statement] = []
        while self.peek().kind != lexer.EOF:
            if self.peek().kind == lexer.LEFT:
                mark = self.at
                self.next()
                if self.next_non_space().kind == "define":
                    self._definition()
                    continue
                self.at = mark
            statement = self._statement()
            if isinstance(statement, str):
                raise self.error(f"unexpected {statement}")
            if statement is not None:
                statements.append(statement)
        self._add(self.file, tuple(statements))

    def _definition(self) -> None:
        context = "define clause"
        name = self._template_name(context)
        self._expect(lexer.RIGHT, context)
        self._add(name, self._separate_body(context))

    def _separate_body(self, context: str) -> Body:
        """A body that is a template of its own: the variables and loops around it are not its own."""
        variables, range_depth = self.variables, self._range_depth
        self.variables, self._range_depth = ["$"], 0
        body, end = self._body()
        if end != _END:
            raise self.error(f"unexpected {end} in {context}")
        self.variables, self._range_depth = variables, range_depth
        return body

    def _add(self, name: str, body: Body) -> None:
        tree = Tree(name, self.file, self._text, body)
        known = self.trees.get(name)
        if known is None or known.is_empty():
            self.trees[name] = tree
        elif not tree.is_empty():
            raise self.error(f"template: multiple definition of template {quote(name)}")

    def _body(self) -> tuple[Body, str]:
        """Statements up to an `end` or `else`, and which of the two it was."""
        statements: list[Statement] = []
        with self.nested():
            while self.peek_non_space().kind != lexer.EOF:
                statement = self._statement()
                if isinstance(statement, str):
                    return tuple(statements), statement
                if statement is not None:
                    statements.append(statement)
        raise self.error("unexpected EOF")

    def _statement(self) -> Statement | str | None:
        token = self.next_non_space()
        if token.kind == lexer.TEXT:
            return Text(token.pos, token.text)
        if token.kind == lexer.LEFT:
            self.action_line = token.line
            try:
                return self._action()
            finally:
                self.action_line = 0
        raise self.unexpected(token, "input")

    def _action(self) -> Statement | str:
        token = self.next_non_space()
        if token.kind == "block":
            return self._block()
        if token.kind in ("break", "continue"):
            return self._jump(token)
        if token.kind == "else":
            return self._else()
        if token.kind == "end":
            self._expect(lexer.RIGHT, "end")
            return _END
        if token.kind in ("if", "range", "with"):
            return self._branch(token)
        if token.kind == "template":
            return self._call()
        self.at -= 1
        start = self.peek()
        return Action(start.pos, self.pipeline("command", lexer.RIGHT))

    def _jump(self, token: Token) -> Jump:
        following = self.next_non_space()
        if following.kind != lexer.RIGHT:
            raise self.unexpected(following, "{{" + token.text + "}}")
        if self._range_depth == 0:
            raise self.error("{{" + token.text + "}} outside {{range}}")
        return Jump(token.pos, token.text)

    def _else(self) -> str:
        # `else if` and `else with` are taken apart where the arms are collected.
        if self.peek_non_space().kind not in ("if", "with"):
            self._expect(lexer.RIGHT, "else")
        return _ELSE

    def _branch(self, token: Token) -> Branch:
        word, known = token.text, len(self.variables)
        arms: list[tuple[Pipe, Body]] = []
        otherwise: Body | None = None
        pos = self.peek().pos
        while True:
            pipe = self.pipeline(word, lexer.RIGHT)
            self._range_depth += word == "range"
            body, end = self._body()
            self._range_depth -= word == "range"
            arms.append((pipe, body))
            if end == _END:
                break
            if word != "range" and self.peek_non_space().kind == word:
                self.next_non_space()
                continue
            otherwise, end = self._body()
            if end != _END:
                raise self.error(f"expected end; found {end}")
            break
        del self.variables[known:]
        return Branch(pos, word, tuple(arms), otherwise)

    def _call(self) -> Call:
        context = "template clause"
        pos = self.peek_non_space().pos
        name = self._template_name(context)
        pipe = None
        if self.next_non_space().kind != lexer.RIGHT:
            self.at -= 1
            pipe = self.pipeline(context, lexer.RIGHT)
        return Call(pos, name, pipe)

    def _block(self) -> Call:
        context = "block clause"
        pos = self.peek_non_space().pos
        name = self._template_name(context)
        pipe = self.pipeline(context, lexer.RIGHT)
        self._add(name, self._separate_body(context))
        return Call(pos, name, pipe)

    def _template_name(self, context: str) -> str:
        token = self.next_non_space()
        if token.kind not in (lexer.STRING, lexer.RAW_STRING):
            raise self.unexpected(token, context)
        try:
            return unquote(token.text)
        except ValueError as error:
            raise self.error(str(error)) from None

    def _expect(self, kind: str, context: str) -> None:
        token = self.next_non_space()
        if token.kind != kind:
            raise self.unexpected(token, context)
