"""Flags as pflag reads them: --name value, --name=value, -x value, booleans without a value."""

from __future__ import annotations

from typing import NamedTuple

from fleet.ctl.failure import Failure


class Flag(NamedTuple):
    """A flag; its default is also its type: bool, int, float or str."""

    name: str
    default: bool | int | float | str
    text: str
    short: str = ""


class Values:
    """What the flags are set to."""

    def __init__(self, flags: tuple[Flag, ...]) -> None:
        self._flags = {each.name: each for each in flags}
        self._values: dict[str, bool | int | float | str] = {each.name: each.default for each in flags}
        self.given: set[str] = set()

    def set(self, name: str, raw: str) -> None:
        default = self._flags[name].default
        try:
            self._values[name] = _read(raw, default)
        except ValueError:
            raise Failure(f'invalid argument "{raw}" for "--{name}" flag') from None
        self.given.add(name)

    def text(self, name: str) -> str:
        return str(self._values[name])

    def on(self, name: str) -> bool:
        return bool(self._values[name])

    def whole(self, name: str) -> int:
        return int(self._values[name])

    def number(self, name: str) -> float:
        return float(self._values[name])


def parse(
    words: list[str], flags: tuple[Flag, ...], values: Values, *, rest_is_command: bool = False
) -> list[str]:
    """Set the values from the words; the words that are no flags. `--` ends the flags.

    With `rest_is_command` the flags also end after the second plain word (ssh TARGET COMMAND...).
    """
    by_name = {each.name: each for each in flags}
    by_short = {each.short: each for each in flags if each.short}
    plain: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            return plain + words[at:]
        if not word.startswith("-") or word == "-":
            plain.append(word)
            if rest_is_command and len(plain) == 1:
                return plain + [each for each in words[at:] if each != "--" or plain != [word]]
            continue
        if word.startswith("--"):
            name, equals, raw = word[2:].partition("=")
            flag = by_name.get(name)
            if flag is None:
                raise Failure(f"unknown flag: --{name}")
        else:
            flag, equals, raw = by_short.get(word[1]), word[2:], word[2:].removeprefix("=")
            if flag is None:
                raise Failure(f"unknown shorthand flag: '{word[1]}' in {word}")
        if not equals:
            if isinstance(flag.default, bool):
                raw = "true"
            elif at < len(words):
                raw = words[at]
                at += 1
            else:
                raise Failure(f"flag needs an argument: {word}")
        values.set(flag.name, raw)
    return plain


def _read(raw: str, default: bool | int | float | str) -> bool | int | float | str:
    if isinstance(default, bool):
        if raw.lower() not in ("true", "false", "1", "0", "t", "f"):
            raise ValueError(raw)
        return raw.lower() in ("true", "1", "t")
    if isinstance(default, int):
        return int(raw)
    if isinstance(default, float):
        return float(raw)
    return raw
