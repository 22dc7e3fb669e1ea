"""Where this host gets its packages: reads apt's configuration, so that no mirror is written down here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from lab.errors import UserError
from lab.shell import run

# What it takes to reach and trust a mirror from here; the rest of the host's configuration is its taste.
PASSED_ON = re.compile(
    r"Acquire::([\w.-]+::)*("
    r"Proxy(-Auto-Detect)?|CaInfo|CaPath|SslCert|SslKey|Verify-Peer|Verify-Host"
    r"|Check-Valid-Until|Check-Date|Retries|Timeout|ForceIPv4|ForceIPv6)(::[^ ]+)?$"
)


@dataclass(frozen=True)
class Source:
    """One suite of one archive, as a line of sources.list says it."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""

    def line(self) -> str:
        options = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {options}{self.uri} {self.suite} {' '.join(self.components)}"


def host_sources(etc: Path = Path("/etc/apt")) -> list[Source]:
    """All binary package sources that the host's apt knows, third parties' too."""
    sources: list[Source] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            text = path.read_text(errors="replace")
            sources += parse_deb822(text) if path.suffix == ".sources" else parse_one_line(text)
    return sources


def parse_one_line(text: str) -> Iterator[Source]:
    """Sources of the old format: `deb [options] uri suite component...`."""
    for line in text.splitlines():
        match = re.fullmatch(
            r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)((?:\s+\S+)*)\s*", line.split("#")[0]
        )
        if match:
            options, uri, suite, components = match.groups()
            signed_by = re.search(r"signed-by=(\S+)", options or "", re.IGNORECASE)
            yield Source(uri, suite, tuple(components.split()), signed_by.group(1) if signed_by else "")


def parse_deb822(text: str) -> Iterator[Source]:
    """Sources of the new format: paragraphs of fields, where a field may go on in indented lines."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in " \t" and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split():
            continue
        if fields.get("enabled", "yes").lower() in ("no", "false", "0", "off", "without", "disable"):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(
                    uri, suite, tuple(fields.get("components", "").split()), fields.get("signed-by", "")
                )


def official(sources: Iterable[Source], distribution: str, codename: str) -> list[Source]:
    """The distribution's own sources for `codename`, updates and security included; no third party's.

    A third party may use the same suite names, but it signs with a key of its own.
    """
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    found = []
    for source in sources:
        by = PurePath(source.signed_by.split(",")[0]).name if source.signed_by else ""
        ours = not by or by.startswith((f"{distribution}-archive", "debian-archive", "ubuntu-archive"))
        if source.suite in suites and "main" in source.components and ours and "cdrom:" not in source.uri:
            found.append(source)
    return list(dict.fromkeys(found))


def choose(
    suite: str | None,
    mirror: str | None,
    host: Sequence[Source],
    host_distribution: str,
    host_codename: str,
    distribution_of: dict[str, str],
    components: dict[str, tuple[str, ...]],
) -> tuple[str, str, list[Source]]:
    """Distribution, suite and sources of a box; None means "as the host".

    Raises UserError when a suite is unknown to the recipe, or the host's apt has no mirror for it.
    """
    suite = suite or host_codename
    if suite not in distribution_of:
        known = ", ".join(sorted(distribution_of))
        raise UserError(f"box.suite: {suite!r} is not a suite the box can be made from; set one of: {known}")
    distribution = distribution_of[suite]
    wanted = components[distribution]
    if mirror:
        return distribution, suite, [Source(mirror, suite, wanted)]
    if distribution != host_distribution:
        raise UserError(
            f"box.mirror: needed for {suite}: this host's apt configuration is {host_distribution}'s"
        )
    sources = []
    for source in official(host, distribution, host_codename):
        kept = tuple(name for name in wanted if name in source.components)
        name = source.suite.replace(host_codename, suite, 1)
        sources.append(Source(source.uri, name, kept, source.signed_by))
    if not any(source.suite == suite for source in sources):
        raise UserError(
            f"no mirror for {host_codename} in this host's apt configuration (/etc/apt); "
            "set box.mirror in lab.yaml"
        )
    return distribution, suite, sources


def host_release(path: Path = Path("/etc/os-release")) -> tuple[str, str]:
    """The host's distribution and codename, for example ("debian", "bookworm")."""
    fields: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            name, _, value = line.partition("=")
            fields[name] = value.strip().strip("\"'")
    return fields.get("ID", "unknown"), fields.get("VERSION_CODENAME", "unknown")


def host_options() -> list[str]:
    """Settings of the host's apt without which its mirrors may be out of reach: proxies, certificates."""
    return passed_on(run(["apt-config", "dump"], timeout=20))


def passed_on(dump: str) -> list[str]:
    """The lines of `apt-config dump` that a new root needs."""
    lines = []
    for line in dump.splitlines():
        name, _, value = line.partition(" ")
        if PASSED_ON.match(name) and value.strip() not in ("", '"";'):
            lines.append(line)
    return lines
