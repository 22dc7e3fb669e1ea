"""The three ways in which the lab gives up; assertion errors are for everything else."""


class UserError(Exception):
    """Something that the user can mend: shown as one line, without a traceback; exit code 2."""


class MachineError(Exception):
    """A machine did not do what it must: says what was seen last and where the logs are; exit code 1."""


class CommandError(MachineError):
    """A command on the host ended badly; `code` is its exit status, `output` the tail of what it printed."""

    def __init__(self, command: str, code: int, output: str) -> None:
        super().__init__(f"`{command}` ended with {code}: {output.strip() or 'no output'}")
        self.command = command
        self.code = code
        self.output = output
