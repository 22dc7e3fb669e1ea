"""Template functions by themselves: edges that the cases rendered by confd leave out."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import functions, gojson, resolver
from confd.resolver import Service
from confd.store import Pair, Store
from gotemplate import FunctionError

ALL = functions.functions()
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


def test_every_function_of_0_16_is_there() -> None:
    of_the_store = "exists get gets getv getvs ls lsdir"
    others = (
        "add atoi base base64Decode base64Encode contains datetime dir div fileExists getenv join json "
        "jsonArray lookupIP lookupIPV4 lookupIPV6 lookupSRV map mod mul parseBool replace reverse seq "
        "sortByLength sortKVByLength split sub toLower toUpper trimSuffix"
    )
    assert sorted(ALL) == others.split()
    assert sorted(Store({}).functions()) == of_the_store.split()


@given(INT64, INT64)
def test_quotient_and_remainder_make_the_number_again(a: int, b: int) -> None:
    if b == 0:
        with pytest.raises(FunctionError, match="integer divide by zero"):
            functions.divide(a, b)
        return
    quotient, left = functions.divide(a, b), functions.remainder(a, b)
    assert abs(left) < abs(b)
    assert left == 0 or (left < 0) == (a < 0)
    assert functions.add(functions.multiply(quotient, b), left) == a


@given(st.text(max_size=20))
def test_base64_there_and_back(text: str) -> None:
    assert functions.base64_decode(functions.base64_encode(text)) == text


@pytest.mark.parametrize(
    ("text", "at"),
    [("a", 1), ("ab$d", 2), ("YQ=", 3), ("Y=Q=", 1), ("YQ==YQ==", 4), ("====", 0), ("YQ=x", 3)],
)
def test_what_is_no_base64(text: str, at: int) -> None:
    with pytest.raises(FunctionError, match=f"illegal base64 data at input byte {at}"):
        functions.base64_decode(text)


def test_bytes_that_are_no_text_come_through_base64() -> None:
    assert functions.base64_decode("/w==\n").encode("utf-8", "surrogateescape") == b"\xff"


def test_the_case_of_characters_that_would_become_several() -> None:
    assert functions.to_upper("straße") == "STRAßE"
    assert functions.to_lower("İ") == "İ"


def test_replace_and_split_without_anything_to_look_for() -> None:
    assert functions.replace("ab", "", "-", -1) == "-a-b-"
    assert functions.replace("ab", "", "-", 2) == "-a-b"
    assert functions.replace("aa", "a", "b", 0) == "aa"
    assert functions.split("aü", "") == ["a", "ü"]


def test_maps_need_pairs_with_names() -> None:
    with pytest.raises(FunctionError, match="invalid map call"):
        functions.make_map("a")
    with pytest.raises(FunctionError, match="map keys must be strings"):
        functions.make_map(1, 2)


def test_only_strings_are_joined_and_only_strings_and_pairs_reversed() -> None:
    with pytest.raises(FunctionError, match=r"expected \[\]string"):
        functions.join([1.0], ",")  # type: ignore[list-item]
    assert functions.reverse([1, 2]) == [1, 2]
    assert functions.reverse([Pair("a", "1"), Pair("b", "2")])[0].key == "b"
    assert functions.reverse("ab") == "ab"


def test_a_sequence_has_a_bound() -> None:
    with pytest.raises(FunctionError, match="more than 10000000"):
        functions.sequence(0, 1 << 40)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (gojson.read_object, "", "unexpected end of JSON input"),
        (gojson.read_object, '{"a": ', "unexpected end of JSON input"),
        (gojson.read_object, '{"a', "unexpected end of JSON input"),
        (gojson.read_object, "hello", "invalid character 'h' looking for beginning of value"),
        (gojson.read_object, "{a: 1}", "invalid character 'a' looking for beginning of object key string"),
        (gojson.read_object, '{"a" 1}', "invalid character '1' after object key"),
        (gojson.read_object, '{"a": 1 2}', "invalid character '2' after object key:value pair"),
        (gojson.read_object, "{} x", "invalid character 'x' after top-level value"),
        (gojson.read_object, '{"a": "\n"}', r"invalid character '\\n' in string literal"),
        (gojson.read_object, '{"a": NaN}', "invalid character 'N' looking for beginning of value"),
        (
            gojson.read_object,
            "[1]",
            r"json: cannot unmarshal array into Go value of type map\[string\]interface {}",
        ),
        (gojson.read_array, "{}", r"json: cannot unmarshal object into Go value of type \[\]interface {}"),
        (gojson.read_array, "5", "json: cannot unmarshal number into"),
        (gojson.read_array, "[1e999]", "json: cannot unmarshal number 1e999 into Go value of type float64"),
        (gojson.read_array, "[" * 100000, "exceeded max depth"),
    ],
)
def test_json_that_does_not_fit(read: Callable[[str], object], text: str, message: str) -> None:
    with pytest.raises(gojson.BadJson, match=message):
        read(text)


def test_json_null_and_broken_surrogates() -> None:
    assert (gojson.read_object("null"), gojson.read_array("null")) == ({}, [])
    assert gojson.read_object(r'{"\ud83d": ["\ude00", "\ud83d\ude00"]}') == {
        "\ufffd": ["\ufffd", "\U0001f600"]
    }


@given(st.text(max_size=12) | st.text('[]{}":,1 \\un', max_size=12))
def test_any_text_is_json_or_refused(text: str) -> None:
    for read in (gojson.read_object, gojson.read_array):
        try:
            read(text)
        except gojson.BadJson:
            continue


KEYS = st.lists(st.sampled_from(["a", "b", "ab", "é", "x.y"]), min_size=1, max_size=3).map(
    lambda p: "/" + "/".join(p)
)


@given(st.dictionaries(KEYS, st.text(max_size=4), max_size=8), KEYS)
def test_listings_agree_with_the_keys(values: dict[str, str], path: str) -> None:
    store = Store(values)
    below = {key.removeprefix(path + "/") for key in values if key.startswith(path + "/")}
    own = {path.rpartition("/")[2]} if path in values else set()
    assert set(store.ls(path)) == {key.partition("/")[0] for key in below} | own
    assert set(store.lsdir(path)) == {key.partition("/")[0] for key in below if "/" in key}
    assert store.ls(path) == sorted(store.ls(path), key=str.encode)


def test_the_prefix_is_taken_off() -> None:
    assert [pair.key for pair in Store({"/p/web/a": "1", "/p": "2"}, "/p").gets("/*")] == ["/"]
    assert Store({"/p/web/a": "1"}, "/p/").getv("/web/a") == "1"


@pytest.fixture
def name_server() -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """A name server that knows _web._tcp.lab. and the questions that it got."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_answer, args=(sock, asked), daemon=True)
        thread.start()
        yield sock.getsockname(), asked
        sock.sendto(b"", sock.getsockname())
        thread.join(5)


def _answer(sock: socket.socket, asked: list[bytes]) -> None:
    while True:
        packet, sender = sock.recvfrom(4096)
        if not packet:
            return
        asked.append(packet)
        known = b"\4_web\4_tcp\3lab\0" in packet
        records = b""
        if known:
            for priority, port, target in ((20, 8888, b"b"), (10, 7777, b"a")):
                data = struct.pack(">3H", priority, 5, port) + b"\1" + target + b"\xc0\x16"
                records += b"\xc0\x0c" + struct.pack(">2HIH", 33, 1, 60, len(data)) + data
        head = packet[:2] + struct.pack(">5H", 0x8180 if known else 0x8183, 1, 2 if known else 0, 0, 0)
        sock.sendto(b"\0\0 not for you", sender)
        sock.sendto(head + packet[12:] + records, sender)


def test_srv_records_are_asked_for(name_server: tuple[tuple[str, int], list[bytes]]) -> None:
    server, asked = name_server
    assert resolver.services("_web._tcp.lab.", [server]) == [
        Service("a.lab.", 7777, 10, 5),
        Service("b.lab.", 8888, 20, 5),
    ]
    assert len(asked) == 1
    with pytest.raises(resolver.NoAnswer, match=r"lookup _db._tcp.lab.: no such host"):
        resolver.services("_db._tcp.lab.", [server])


def test_a_name_server_that_is_not_there() -> None:
    with pytest.raises(resolver.NoAnswer, match=r"127.0.0.1: .*refused"):
        resolver.services("_web._tcp.lab.", [("127.0.0.1", 9)])


@given(st.binary(max_size=60))
def test_any_answer_is_read_or_refused(answer: bytes) -> None:
    try:
        resolver.read_answer(answer)
    except (ValueError, IndexError, struct.error):
        return
