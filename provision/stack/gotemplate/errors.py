"""What can go wrong with a template; the texts are Go's own."""

from __future__ import annotations


class TemplateError(Exception):
    """A template does not parse or does not execute; str() is one line that names template and line."""


class ParseError(TemplateError):
    """The text is no template, for example `template: a.tmpl:1: function "frob" not defined`."""


class ExecError(TemplateError):
    """The template met data or a function that it cannot use; the text names line, column and node."""


class FunctionError(Exception):
    """A function of a template refuses; the message follows `error calling NAME: `."""


def message_of(error: BaseException) -> str:
    """The plain message of an exception: KeyError would show its argument in quotes otherwise."""
    if isinstance(error, LookupError) and len(error.args) == 1 and isinstance(error.args[0], str):
        return error.args[0]
    return str(error) or type(error).__name__
