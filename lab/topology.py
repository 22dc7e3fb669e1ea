"""What the lab is made of: machines, addresses, sizes and timings, read from `lab.yaml` and checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lab.errors import UserError
from lab.suggest import did_you_mean
from lab.waiting import seconds

FIRST_HOST = 101  # coreos-1 is .101, as in the articles
NAME = r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"
LONGEST_ELECTION = 50_000  # ms
LAB_NAME_LIMIT = 20  # unix sockets below the lab's folder must stay under 108 characters


def _duration(value: str) -> str:
    if value != "auto" and seconds(value) <= 0:
        raise ValueError("must be longer than nothing")
    return value


def _text(value: object) -> object:
    return f"{value}s" if isinstance(value, int) and not isinstance(value, bool) else value


def _with_unit(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"needs a unit: {value}ms, as etcd itself counts, or {value}s")
    return value


Duration = Annotated[str, BeforeValidator(_text), AfterValidator(_duration)]
# etcd's own flags are in ms, all other times of the lab in seconds
RaftTime = Annotated[str, BeforeValidator(_with_unit), AfterValidator(_duration)]


def _word(value: str) -> str:
    if not value or re.search(r"[\s,='\"\\]", value):
        raise ValueError("must be one word without blanks, commas, quotes or '='")
    return value


# fleet writes metadata as k=v,k=v: a separator inside a word would make two of it
MetadataWord = Annotated[str, AfterValidator(_word)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Networks(Part):
    """The lab's three networks; the lab itself has the first address of each."""

    private: IPv4Network = IPv4Network("10.1.0.0/24")
    public: IPv4Network = IPv4Network("203.0.113.0/24")
    control: IPv4Network = IPv4Network("192.168.121.0/24")

    def items(self) -> tuple[tuple[str, IPv4Network], ...]:
        return (("control", self.control), ("private", self.private), ("public", self.public))


class Machine(Part):
    """One machine; `memory` in MiB, `public` None for a machine without a public interface.

    `autostart` as in a Vagrantfile: without it, `lab up` leaves the machine out until it is named. `etcd`
    says whether the machine carries a member, or a proxy that listens where a member would.
    """

    name: str = Field(pattern=NAME)
    private: IPv4Address
    public: IPv4Address | None
    control: IPv4Address
    memory: int = Field(default=1024, ge=512)
    cpus: int = Field(default=1, ge=1)
    autostart: bool = True
    etcd: Literal["member", "proxy"] = "member"
    metadata: dict[MetadataWord, MetadataWord] = Field(default_factory=dict)

    def machine_id(self, lab: str) -> str:
        """32 hexadecimal digits, the same at every boot and different in every lab."""
        return hashlib.md5(f"{lab}/{self.name}".encode(), usedforsecurity=False).hexdigest()


class BoxSource(Part):
    suite: str = "auto"
    mirror: str = "auto"


class EtcdTimings(Part):
    """Raft's clock; `auto` follows the provider."""

    heartbeat: RaftTime = "auto"
    election: RaftTime = "auto"

    def milliseconds(self, emulated: bool) -> tuple[int, int]:
        """Heartbeat and election time-out in ms; an emulated machine answers late and waits longer."""
        beat = 500.0 if emulated else 100.0
        if self.heartbeat != "auto":
            beat = seconds(self.heartbeat) * 1000
        election = beat * 10 if self.election == "auto" else seconds(self.election) * 1000
        return round(beat), round(election)


class FleetSettings(Part):
    """fleet on the machines; `enabled` false leaves it out of the whole lab."""

    enabled: bool = True
    agent_ttl: Duration = "30s"


class Topology(Part):
    """A lab as `lab.yaml` describes it."""

    name: str = Field(default="default", pattern=NAME, max_length=LAB_NAME_LIMIT)
    provider: Literal["auto", "libvirt", "nspawn"] = "auto"
    machines: tuple[Machine, ...]
    networks: Networks = Networks()
    box: BoxSource = BoxSource()
    etcd: EtcdTimings = EtcdTimings()
    fleet: FleetSettings = FleetSettings()

    def machine(self, name: str) -> Machine:
        """The machine called `name`; UserError with a suggestion if there is none."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        names = [machine.name for machine in self.machines]
        raise UserError(f"no machine {name!r} in lab {self.name!r}{did_you_mean(name, names)}")

    def autostarted(self) -> tuple[str, ...]:
        """The machines that `lab up` starts unless some are named."""
        return tuple(machine.name for machine in self.machines if machine.autostart)

    def lab_address(self, network: Literal["control", "private", "public"]) -> IPv4Interface:
        """The lab's own address on a network: the first one."""
        return on(next(getattr(self.networks, network).hosts()), getattr(self.networks, network))


def on(address: IPv4Address, network: IPv4Network) -> IPv4Interface:
    return IPv4Interface(f"{address}/{network.prefixlen}")


def load(path: Path) -> Topology:
    """Read and check a topology file. Raises UserError: one line with file, field, value and mend."""
    try:
        text = path.read_text()
    except OSError as problem:
        raise UserError(f"{path}: cannot be read ({problem.strerror})") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not text in UTF-8") from None
    return parse(text, str(path))


def parse(text: str, where: str) -> Topology:
    """The topology in `text`; `where` names it in errors."""
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:  # ValueError: a date such as 2020-99-99
        mark = getattr(problem, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        reason = str(getattr(problem, "problem", problem)).partition("\n")[0]
        raise UserError(f"{where}:{line} not YAML: {reason}") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise UserError(f"{where}: must be a list of `field: value` lines, not {type(document).__name__}")
    try:
        topology = Topology.model_validate(_with_addresses(document))
    except ValidationError as problem:
        raise UserError(f"{where}: {_explain(problem, document)}") from None
    except _Contradiction as problem:
        raise UserError(f"{where}: {problem}") from None
    for contradiction in contradictions(topology):
        raise UserError(f"{where}: {contradiction}")
    return topology


def contradictions(topology: Topology) -> Iterable[str]:
    """What is wrong between fields that are each right by themselves."""
    if not topology.machines:
        yield "machines: none given; name at least one, for example `- {name: coreos-1}`"
    elif not any(machine.autostart and machine.etcd == "member" for machine in topology.machines):
        yield (
            "machines: none is an etcd member that starts by itself; "
            "leave `etcd` and `autostart` away on at least one"
        )
    named = topology.networks.items()
    for index, (name, network) in enumerate(named):
        if network.prefixlen > 28:
            yield f"networks.{name}: {network} has no room for machines; use /28 or wider"
        for other, second in named[:index]:
            if network.overlaps(second):
                yield f"networks.{name}: {network} overlaps networks.{other} ({second}); give each its own"
    seen: dict[object, str] = {}
    for machine in topology.machines:
        if machine.name in seen:
            yield f"machines: the name {machine.name!r} is there twice; names must differ"
        seen[machine.name] = "name"
        for field, network in named:
            address: IPv4Address | None = getattr(machine, field)
            if address is None:
                continue
            where = f"machines.{machine.name}.{field}: {address}"
            if address not in network:
                yield f"{where} is outside {network}; choose one inside it or change networks.{field}"
            elif address in (network.network_address, network.broadcast_address):
                yield f"{where} is not a host's address in {network}"
            elif address == next(network.hosts()):
                yield f"{where} is the lab's own address there; choose another"
            if address in seen:
                yield f"{where} is also {seen[address]}'s; addresses must differ"
            seen[address] = machine.name
    beat, election = topology.etcd.milliseconds(emulated=False)
    if election < 5 * beat:
        yield f"etcd.election: {election} ms must be at least five heartbeats of {beat} ms"
    if election > LONGEST_ELECTION:
        why = " (ten heartbeats)" if topology.etcd.election == "auto" else ""
        yield f"etcd.election: {election} ms{why} is more than the {LONGEST_ELECTION} ms that etcd takes"


class _Contradiction(ValueError):
    pass


def _with_addresses(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the default machines, and addresses by a machine's place where none are given."""
    filled = dict(document)
    machines = filled.get("machines", [{"name": f"coreos-{number}"} for number in (1, 2, 3)])
    if machines is None:
        machines = []
    if not isinstance(machines, list):
        raise _Contradiction("machines: must be a list, one `- {name: ...}` a machine")
    networks = Networks.model_validate(filled["networks"]) if filled.get("networks") else Networks()
    filled["networks"] = networks
    for section in ("box", "etcd", "fleet"):
        if section in filled and filled[section] is None:
            del filled[section]
    complete = []
    for index, machine in enumerate(machines):
        if not isinstance(machine, dict):
            raise _Contradiction(
                f"machines.{index}: {machine!r} is not a machine; write `- {{name: {machine}}}`"
            )
        places = {field: _place(network, index, field) for field, network in networks.items()}
        complete.append({**places, **machine})
    filled["machines"] = complete
    return filled


def _place(network: IPv4Network, index: int, field: str) -> IPv4Address:
    first = FIRST_HOST if network.num_addresses >= 256 else 2
    if first + index >= network.num_addresses - 1:
        raise _Contradiction(f"networks.{field}: {network} has no room for machine number {index + 1}")
    return network.network_address + first + index


def _explain(problem: ValidationError, document: Mapping[str, Any]) -> str:
    """The first mistake, as one line that names the field, its value and what would be right."""
    error = problem.errors()[0]
    place = ("networks", *error["loc"]) if problem.title == Networks.__name__ else error["loc"]
    words = (str(part) for part in _with_names(place, document))
    field = ".".join(word if word.isprintable() else repr(word) for word in words)
    if error["type"] == "extra_forbidden":
        known = _known_fields(place)
        return f"{field}: unknown field{did_you_mean(str(error['loc'][-1]), known)}"
    message = re.sub(r"^Value error, ", "", error["msg"])
    if error["type"] == "string_pattern_mismatch":
        message = "must be lower-case letters, digits and dashes, starting with a letter"
    if error["type"].startswith("int_"):
        message = f"must be a whole number{' of MiB, such as 1024' if place[-1] == 'memory' else ''}"
    value = error["input"]
    shown = "" if isinstance(value, dict) else f"{value!r}: "
    return f"{field}: {shown}{message[0].lower()}{message[1:]}"


def _with_names(place: tuple[int | str, ...], document: Mapping[str, Any]) -> tuple[int | str, ...]:
    """The place with a machine's name in the place of its number, unless it is the name that is wrong."""
    match place:
        case ("machines", int(number), field, *_) if field != "name":
            name = document["machines"][number].get("name")
            if isinstance(name, str) and re.match(NAME, name):
                return ("machines", name, *place[2:])
    return place


def _known_fields(place: tuple[int | str, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "machines": Machine,
        "networks": Networks,
        "box": BoxSource,
        "etcd": EtcdTimings,
        "fleet": FleetSettings,
    }
    model = models.get(str(place[0]), Topology) if len(place) > 1 else Topology
    return list(model.model_fields)
