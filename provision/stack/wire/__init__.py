"""One HTTP exchange over a socket that somebody else opened, under one deadline."""

from wire.http import Answer, BodyTimeout, Lines, Malformed, Request, exchange, lines

__all__ = ["Answer", "BodyTimeout", "Lines", "Malformed", "Request", "exchange", "lines"]
