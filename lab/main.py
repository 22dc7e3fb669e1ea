"""The entry point of the `lab` command: `lab run` goes straight to OpenSSH, all else to lab.cli.

The rule of this file: import nothing but os and sys. `lab run` in a loop must cost little more than `ssh`
over a kept connection, and every module costs milliseconds.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself takes longer than the rest of this file
    from collections.abc import Sequence

DEFAULT_HOME = "/var/lib/discovery-lab"
DEFAULT_NAME = "default"
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
PLAIN = LETTERS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_./:=@%+,")
MARK = "DISCOVERY_LAB"  # as in lab.processes: `lab down` ends what carries it


def main(words: "Sequence[str] | None" = None) -> int:
    """Run one `lab` command; returns its exit code, if this process is not replaced by ssh."""
    given = list(sys.argv[1:] if words is None else words)
    command = kept_connection(given)
    if command:
        mark_and_replace(*command)
    from lab import cli

    return cli.main(given)


def kept_connection(words: "list[str]") -> "tuple[str, list[str]] | None":
    """Lab folder and ssh command for a plain `[--lab NAME] run NODE -- CMD`, if its connection is there.

    None for all that needs a closer look: no such lab or machine, no connection yet, options.
    """
    name = ""
    if len(words) > 2 and words[0] == "--lab":
        name, words = words[1], words[2:]
    if len(words) < 3 or words[0] != "run":
        return None
    node, words = words[1], words[2:]
    if words[0] == "--":
        words = words[1:]
    name = name or lab_name()
    if not words or words[0][:1] == "-" or not (is_name(name) and is_name(node)):
        return None
    folder = lab_folder(name)
    if not os.path.exists(control_path(folder, node)):  # noqa: PTH110 - see the rule above
        return None
    return folder, ssh_command(folder, node, remote_line(words))


def mark_and_replace(folder: str, command: "list[str]") -> None:
    """Become `command`, as a process that belongs to the lab in `folder`."""
    os.environ[MARK] = folder
    os.execvp(command[0], command)


def ssh_command(folder: str, node: str, line: str) -> "list[str]":
    """The ssh command that runs a shell line on a machine, over the kept connection or by making it."""
    return ["ssh", "-F", f"{folder}/ssh/config", "-T", node, line]


def control_path(folder: str, node: str) -> str:
    """Where the kept connection to a machine listens."""
    return f"{folder}/ssh/{node}.s"


def remote_line(words: "Sequence[str]") -> str:
    """One word is a shell line as it stands; several are a command whose words stay what they are."""
    return words[0] if len(words) == 1 else " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """`word` for a shell (shlex would bring `re` with it)."""
    if word and PLAIN.issuperset(word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def lab_folder(name: str) -> str:
    home = os.path.realpath(os.environ.get("LAB_HOME") or DEFAULT_HOME)
    return f"{home}/labs/{name}"


def lab_name() -> str:
    """The lab that is meant when none is named: LAB_NAME, or `name` in ./lab.yaml, or "default".

    "" for a name written in a way that only a YAML reader understands.
    """
    if named := os.environ.get("LAB_NAME"):
        return named
    try:
        with open("lab.yaml", encoding="utf-8") as file:  # noqa: PTH123 - see the rule above
            for line in file:
                if line.startswith("name"):
                    value = line[4:].partition("#")[0].strip()
                    name = value[1:].strip() if value[:1] == ":" else ""
                    return name if is_name(name) else ""
    except (OSError, ValueError):
        pass
    return DEFAULT_NAME


def is_name(text: str) -> bool:
    return bool(text) and LETTERS.issuperset(text)


if __name__ == "__main__":
    sys.exit(main())
