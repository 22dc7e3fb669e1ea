"""The command confd: flags, settings, backend, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from queue import SimpleQueue
from types import FrameType
from typing import NoReturn

from confd import flags, gotext
from confd import settings as configuration
from confd.backend import nodes_from_srv, open_backend
from confd.log import BadLevel, Log
from confd.problem import Fatal
from confd.processor import Processor, internal, run_in_background
from confd.settings import Settings

VERSION = "0.16.0"


def main() -> None:
    """Run confd with the process's arguments; ends by sys.exit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in the original, a signal just ends a single pass
    try:
        given = flags.parse(sys.argv[1:])
    except flags.Mistake as mistake:
        sys.stderr.write(f"{mistake}\n" * bool(str(mistake)) + flags.usage())
        sys.exit(2)
    if given["version"]:
        print(f"confd {VERSION} (discovery-lab, Python {sys.version.split()[0]})")
        return
    log = Log()
    try:
        settings = _configure(given, log)
        log.info("Starting confd")
        processor = Processor(settings, open_backend(settings, log), log)
        if settings.onetime:
            processor.once()
        else:
            _serve(processor, settings, log)
    except Fatal as error:
        log.fatal(str(error))
        sys.exit(1)
    except Exception as error:
        log.fatal(internal(error))
        sys.exit(1)


def _configure(given: dict[str, object], log: Log) -> Settings:
    settings, warnings = configuration.load(given, os.environ)
    if settings.log_level:
        try:
            log.set_level(settings.log_level)
        except BadLevel as error:
            raise Fatal(str(error)) from None
    for warning in warnings:
        log.warning(warning)
    if settings.secret_keyring:
        raise Fatal("secret-keyring: cget, cgets, cgetv and cgetvs are not built in")
    if settings.backend != "env" and settings.srv_record:
        settings = replace(settings, node=nodes_from_srv(settings, log))
    log.info(f"Backend set to {settings.backend}")
    return settings


def _serve(processor: Processor, settings: Settings, log: Log) -> NoReturn:
    endings: SimpleQueue[Fatal | int | None] = SimpleQueue()

    def capture(number: int, _frame: FrameType | None) -> None:
        endings.put(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, capture)
    run_in_background(processor.watch if settings.watch else processor.at_intervals, endings)
    ending = endings.get()
    if isinstance(ending, Fatal):
        log.fatal(str(ending))
    elif ending is not None:
        log.info(f"Captured {gotext.signal_text(ending)}. Exiting...")
    processor.abandon()
    # Not by sys.exit: a command that never ends, or a watch, would hold it up.
    os._exit(1 if isinstance(ending, Fatal) else 0)
