"""What the stack's small programs have in common: arguments, log lines, and an end by signal."""

from program.arguments import parse_key, parse_port
from program.entry import Usage, run
from program.log import News, log

__all__ = ["News", "Usage", "log", "parse_key", "parse_port", "run"]
