"""Cuts the text of a template into tokens, in one pass; what is no token ends them with an ERROR."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from gotemplate.quoting import quote, rune_name

TEXT, LEFT, RIGHT, SPACE, EOF, ERROR = "text", "left", "right", "space", "eof", "error"
IDENTIFIER, FIELD, VARIABLE, DOT, NIL, BOOL = "identifier", "field", "variable", "dot", "nil", "bool"
NUMBER, COMPLEX, CHAR_CONSTANT, STRING, RAW_STRING = (
    "number",
    "complex",
    "char constant",
    "string",
    "raw string",
)
ASSIGN, DECLARE, PIPE, OPEN, CLOSE, CHAR = "=", ":=", "|", "(", ")", "char"
KEYWORDS = frozenset(
    {"block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"}
)

_SPACES = " \t\r\n"
_CLOSER = re.compile(r"(?:[ \t\r\n]-)?\}\}")
_SPACE_RUN = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"\w*")
_DIGITS = {"0x": "[0-9a-fA-F_]*", "0o": "[0-7_]*", "0b": "[01_]*", "": "[0-9_]*"}
_NUMBERS = {
    prefix: re.compile(
        rf"{digits}(?:\.{digits})?"
        + (r"(?:[eE][+-]?[0-9_]*)?" if prefix == "" else "")
        + (r"(?:[pP][+-]?[0-9_]*)?" if prefix == "0x" else "")
        + "i?"
    )
    for prefix, digits in _DIGITS.items()
}


class Token(NamedTuple):
    """One token: its kind, where it begins (an index into the text), its text, the line it begins on."""

    kind: str
    pos: int
    text: str
    line: int

    def __str__(self) -> str:
        if self.kind == EOF:
            return "EOF"
        if self.kind == ERROR:
            return self.text
        if self.kind in KEYWORDS or self.kind in (DOT, NIL):
            return f"<{self.text}>"
        return f"{quote(self.text[:10])}..." if len(self.text) > 10 else quote(self.text)


def tokenize(text: str, identifiers: frozenset[str] = frozenset()) -> list[Token]:
    """All tokens of a template; the last is EOF or ERROR, whose text says what is wrong.

    `identifiers` names functions that hide the younger keywords `break` and `continue`.
    """
    return list(_Lexer(text, identifiers).tokens())


class _LexError(Exception):
    def __init__(self, message: str, pos: int):
        super().__init__(message)
        self.pos = pos


class _Lexer:
    def __init__(self, text: str, identifiers: frozenset[str]):
        self._text = text
        self._identifiers = identifiers
        self._line = 1
        self._counted = 0  # lines are counted up to here

    def tokens(self) -> Iterator[Token]:
        try:
            yield from self._all()
        except _LexError as error:
            yield self._token(ERROR, error.pos, str(error))

    def _token(self, kind: str, pos: int, text: str) -> Token:
        self._line += self._text.count("\n", self._counted, pos)
        self._counted = pos
        return Token(kind, pos, text, self._line)

    def _all(self) -> Iterator[Token]:
        text, pos = self._text, 0
        while True:
            left = text.find("{{", pos)
            if left < 0:
                if pos < len(text):
                    yield self._token(TEXT, pos, text[pos:])
                yield self._token(EOF, len(text), "")
                return
            trims = text.startswith("-", left + 2) and text[left + 3 : left + 4] in tuple(_SPACES)
            before = text[pos:left].rstrip(_SPACES) if trims else text[pos:left]
            if before:
                yield self._token(TEXT, pos, before)
            inside = left + (4 if trims else 2)
            if text.startswith("/*", inside):
                pos = self._comment(inside)
                continue
            yield self._token(LEFT, left, "{{")
            end = inside
            for token in self._action(inside):
                yield token
                end = token.pos + len(token.text)
            pos = self._after(end, text[end - 3] == "-" and text[end - 4] in _SPACES)

    def _comment(self, start: int) -> int:
        end = self._text.find("*/", start + 2)
        if end < 0:
            raise _LexError("unclosed comment", start)
        closer = _CLOSER.match(self._text, end + 2)
        if closer is None:
            raise _LexError("comment ends before closing delimiter", start)
        return self._after(closer.end(), closer.end() - closer.start() > 2)

    def _after(self, pos: int, trims: bool) -> int:
        """Where text goes on after a right delimiter."""
        run = _SPACE_RUN.match(self._text, pos) if trims else None
        return run.end() if run else pos

    def _action(self, pos: int) -> Iterator[Token]:
        """The tokens of one action, up to and with its right delimiter."""
        text, open_parens = self._text, 0
        while True:
            closer = _CLOSER.match(text, pos)
            if closer is not None:
                if open_parens:
                    raise _LexError("unclosed left paren", pos)
                yield self._token(RIGHT, closer.end() - 2, "}}")
                return
            if pos >= len(text):
                raise _LexError("unclosed action", pos)
            token = self._inside(pos)
            open_parens += (token.kind == OPEN) - (token.kind == CLOSE)
            yield token
            if open_parens < 0:
                raise _LexError(f"unexpected right paren {rune_name(41, True)}", pos)
            pos += len(token.text)

    def _inside(self, pos: int) -> Token:
        text, char = self._text, self._text[pos]
        if char in _SPACES:
            return self._spaces(pos)
        if char in "=|()":
            return self._token(char, pos, char)
        if char == ":":
            if not text.startswith(":=", pos):
                raise _LexError("expected :=", pos)
            return self._token(DECLARE, pos, ":=")
        if char == '"' or char == "'":
            return self._quoted(pos, char)
        if char == "`":
            end = text.find("`", pos + 1)
            if end < 0:
                raise _LexError("unterminated raw quoted string", pos)
            return self._token(RAW_STRING, pos, text[pos : end + 1])
        if char == "$":
            return self._named(pos, VARIABLE)
        if char == "." and text[pos + 1 : pos + 2] not in (
            "",
            *"0123456789",
        ):  # at the end it is no field but
            return self._named(pos, FIELD)  # a number to Go
        if char in "+-.0123456789":
            return self._number(pos)
        if _is_word(char):
            return self._identifier(pos)
        if " " < char <= "~":
            return self._token(CHAR, pos, char)
        raise _LexError(f"unrecognized character in action: {rune_name(ord(char), True)}", pos)

    def _spaces(self, pos: int) -> Token:
        run = _SPACE_RUN.match(self._text, pos)
        assert run is not None
        end = run.end()
        # The space before `-}}` belongs to the delimiter.
        if end - 1 > pos and self._text.startswith("-}}", end):
            end -= 1
        return self._token(SPACE, pos, self._text[pos:end])

    def _quoted(self, pos: int, mark: str) -> Token:
        text, at = self._text, pos + 1
        while at < len(text) and text[at] != "\n":
            if text[at] == mark:
                kind = STRING if mark == '"' else CHAR_CONSTANT
                return self._token(kind, pos, text[pos : at + 1])
            at += 2 if text[at] == "\\" and text[at + 1 : at + 2] not in ("", "\n") else 1
        raise _LexError(f"unterminated {'quoted string' if mark == chr(34) else 'character constant'}", pos)

    def _named(self, pos: int, kind: str) -> Token:
        end = self._word_end(pos + 1)
        self._must_terminate(end)
        if end == pos + 1 and kind == FIELD:
            return self._token(DOT, pos, ".")
        return self._token(kind, pos, self._text[pos:end])

    def _identifier(self, pos: int) -> Token:
        end = self._word_end(pos)
        self._must_terminate(end)
        word = self._text[pos:end]
        kind = IDENTIFIER
        if word in KEYWORDS:
            kind = IDENTIFIER if word in self._identifiers else word
        elif word in ("true", "false"):
            kind = BOOL
        elif word == "nil":
            kind = NIL
        return self._token(kind, pos, word)

    def _word_end(self, pos: int) -> int:
        run = _WORD.match(self._text, pos)
        assert run is not None
        end = run.end()
        if self._text[pos:end].isascii():
            return end
        # \w knows a few more numerals than Go.
        return next((at for at in range(pos, end) if not _is_word(self._text[at])), end)

    def _must_terminate(self, pos: int) -> None:
        char = self._text[pos : pos + 1]
        if char and char not in _SPACES + ".,|:()" and not self._text.startswith("}}", pos):
            raise _LexError(f"bad character {rune_name(ord(char), True)}", pos)

    def _number(self, pos: int) -> Token:
        end = self._scan_number(pos)
        if self._text[end : end + 1] in ("+", "-"):
            end = self._scan_number(end, pos)
            if self._text[end - 1] != "i":
                raise _LexError(f"bad number syntax: {quote(self._text[pos:end])}", pos)
            return self._token(COMPLEX, pos, self._text[pos:end])
        return self._token(NUMBER, pos, self._text[pos:end])

    def _scan_number(self, pos: int, shown_from: int | None = None) -> int:
        at = pos + (self._text[pos] in "+-")
        prefix = self._text[at : at + 2].lower()
        if prefix in ("0x", "0o", "0b"):
            at += 2
        else:
            prefix = ""
        run = _NUMBERS[prefix].match(self._text, at)
        assert run is not None
        end = run.end()
        following = self._text[end : end + 1]
        if following and _is_word(following):
            start = pos if shown_from is None else shown_from
            raise _LexError(f"bad number syntax: {quote(self._text[start : end + 1])}", pos)
        return end


def _is_word(char: str) -> bool:
    return char == "_" or char.isalpha() or char.isdecimal()
