"""Whatever answers, it is an event, a refusal of etcd's, or said not to be etcd: never another exception."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdv2.model import EtcdError, Event, NoLeader, NotEtcd, Unavailable, parse

KEYS = st.sampled_from(
    ["node", "nodes", "key", "value", "dir", "errorCode", "message", "prevNode", "modifiedIndex"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from([200, 404, 500, 503]), VALUES, st.text(max_size=3))
def test_any_json(status: int, document: object, index: str) -> None:
    try:
        event = parse(status, {"x-etcd-index": index}, json.dumps(document).encode())
    except (EtcdError, Unavailable):
        return
    assert isinstance(event, Event)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"\xff\xfe", b"5", b"[]", b"{}", b'{"node": 5}', b"[" * 100000, b'{"errorCode": "x"}'],
)
def test_what_is_no_answer_of_the_keys_api(body: bytes) -> None:
    with pytest.raises(NotEtcd):
        parse(200, {}, body)


def test_a_member_without_a_leader_says_so_in_two_ways() -> None:
    with pytest.raises(NoLeader):
        parse(503, {}, b'{"message": "no leader"}')
    with pytest.raises(NoLeader, match="300"):
        parse(500, {}, b'{"errorCode": 300, "message": "Raft Internal Error", "index": 7}')
