"""The copy of fleet's keys: whatever order events come in, it says what a full reading would."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from etcdv2.model import Event, Node
from fleet.mirror import Mirror
from fleet.unitfile import parse

PREFIX = "/_coreos.com/fleet"
FILE = parse("[Service]\nExecStart=/bin/true\n")
OBJECT = json.dumps({"Name": "a.service", "UnitHash": list(bytes.fromhex(FILE.hash))})
STATE = json.dumps(
    {"loadState": "loaded", "activeState": "active", "subState": "running", "unitHash": FILE.hash}
)
MACHINE = json.dumps({"ID": "m1", "PublicIP": "10.1.0.1", "Metadata": {"a": "1", "b": "2"}})
VALUES = {
    f"unit/{FILE.hash}": json.dumps({"Raw": FILE.text}),
    "job/a.service/object": OBJECT,
    "job/a.service/target-state": "launched",
    "job/a.service/target": "m1",
    "job/a.service/job-state": "m1",
    "states/a.service/m1": STATE,
    "machines/m1/object": MACHINE,
    "machines/m1/metadata/b": "",
    "machines/m2/object": "not json",
    "lease/engine-leader": '{"MachineID":"m1","Version":1}',
}


def event(action: str, key: str, value: str = "", index: int = 1, directory: bool = False) -> Event:
    return Event(action, Node(f"{PREFIX}/{key}", value, directory, modified=index))


def loaded(keys: dict[str, str]) -> Mirror:
    mirror = Mirror(PREFIX)
    mirror.load([Node(f"{PREFIX}/{key}", value) for key, value in keys.items()], 1)
    return mirror


def test_a_unit_a_machine_and_the_leader_are_read() -> None:
    mirror = loaded(VALUES)
    cluster = mirror.cluster()
    unit = cluster.units["a.service"]
    assert (unit.desired, unit.target, unit.file) == ("launched", "m1", FILE)
    assert cluster.current(unit) == "launched"
    assert cluster.machines["m1"].metadata == {"a": "1"}
    leader = mirror.leader()
    assert leader is not None
    assert leader[0] == "m1"


def test_the_current_state_follows_from_target_states_and_claim() -> None:
    for missing, expected in (("job-state", "loaded"), ("target", "inactive")):
        keys = {key: value for key, value in VALUES.items() if not key.endswith("/" + missing)}
        cluster = loaded(keys).cluster()
        assert cluster.current(cluster.units["a.service"]) == expected


def test_a_unit_deleted_as_a_directory_is_gone() -> None:
    mirror = loaded(VALUES)
    mirror.apply(event("delete", "job/a.service", directory=True))
    assert mirror.cluster().units == {}


def test_damaged_values_count_as_absent() -> None:
    keys = dict.fromkeys(VALUES, "{")
    assert loaded(keys).cluster().units == {}


_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "create", "compareAndSwap", "expire", "delete", "compareAndDelete"]),
        st.sampled_from([*VALUES, "job/a.service", "states/a.service"]),
    ),
    max_size=30,
)


@example([("set", f"unit/{FILE.hash}"), ("set", "job/a.service/object"), ("delete", f"unit/{FILE.hash}")])
@given(_CHANGES)
def test_events_lead_where_a_full_reading_leads(changes: list[tuple[str, str]]) -> None:
    mirror, keys = Mirror(PREFIX), dict[str, str]()
    for index, (action, key) in enumerate(changes, 1):
        if action in ("set", "create", "compareAndSwap"):
            if key in VALUES:
                keys[key] = VALUES[key]
                mirror.apply(event(action, key, VALUES[key], index))
        else:
            keys = {
                each: value for each, value in keys.items() if each != key and not each.startswith(key + "/")
            }
            mirror.apply(event(action, key, index=index, directory=key not in VALUES))
        mirror.cluster()  # fill the caches that the next event must not leave stale
    assert mirror.keys == {f"{PREFIX}/{key}": value for key, value in keys.items()}
    assert mirror.cluster() == loaded(keys).cluster()
