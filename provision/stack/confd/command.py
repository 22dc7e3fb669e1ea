"""check_cmd and reload_cmd: a line for the shell, and what it said."""

from __future__ import annotations

import subprocess
import tempfile

from confd import gotext
from confd.log import Log
from confd.problem import Problem
from gotemplate.quoting import quote

OUTPUT_MAX = 64 * 1024  # bytes of the output that are logged


def run(line: str, log: Log) -> None:
    """Run it with /bin/sh; raises Problem, after logging the output, if it fails.

    The output goes to a file: with a pipe, a daemon that the command leaves behind would hold us up.
    """
    log.debug(f"Running {line}")
    with tempfile.TemporaryFile() as output:
        try:
            code = subprocess.call(
                ["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise Problem(gotext.os_error(error, "fork/exec", "/bin/sh")) from None
        except ValueError:
            raise Problem("fork/exec /bin/sh: invalid argument") from None
        output.seek(0)
        said = quote(output.read(OUTPUT_MAX).decode("utf-8", "surrogateescape"))
    if code:
        log.error(said)
        raise Problem(f"exit status {code}" if code > 0 else f"signal: {gotext.signal_text(-code)}")
    log.debug(said)
