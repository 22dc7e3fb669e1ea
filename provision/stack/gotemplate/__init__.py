"""Go's text/template: the whole language, Go's output, Go's error messages; standard library alone."""

from gotemplate.errors import ExecError, FunctionError, ParseError, TemplateError
from gotemplate.template import Template, parse

__all__ = ["ExecError", "FunctionError", "ParseError", "Template", "TemplateError", "parse"]
