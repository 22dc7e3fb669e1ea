"""How skydns serves: transports, sizes, other servers, special names, settings, and etcd's absence."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.stack.conftest import Etcd, free_ports, wait_for
from tests.stack.skydns.conftest import LOCAL, Records, Sky, Start, flat

ELSEWHERE = "elsewhere.test"


@pytest.fixture
def other(start: Start, put: Records) -> Sky:
    """Another server, of another domain, with one name."""
    sky = start(domain=ELSEWHERE)
    put("web", within="test/elsewhere", host="10.9.9.9")
    return sky


def test_dig_understands_every_kind_of_answer(sky: Sky, put: Records) -> None:
    put("db/a", host="10.0.0.1", port=5001)
    put("db/b", host="fd00::2", port=5002)
    put("alias", host="db.skydns.local")
    put("note", text='say "hi"')
    assert sky.dig("+short", "db.skydns.local", "A").split() == ["10.0.0.1"]
    assert sky.dig("+short", "db.skydns.local", "AAAA").split() == ["fd00::2"]
    assert sorted(sky.dig("+short", "db.skydns.local", "SRV").splitlines()) == [
        "10 50 5001 a.db.skydns.local.",
        "10 50 5002 b.db.skydns.local.",
    ]
    assert sky.dig("+short", "alias.skydns.local", "A").split() == ["db.skydns.local.", "10.0.0.1"]
    assert sky.dig("+short", "note.skydns.local", "TXT").strip() == r'"say \"hi\""'
    assert "status: NXDOMAIN" in sky.dig("nobody.skydns.local")
    assert "status: NOERROR" in sky.dig("note.skydns.local", "A")
    assert "version: 0" in sky.dig("+edns=0", "db.skydns.local")
    assert "status: BADVERS" in sky.dig("+edns=5", "+noednsneg", "db.skydns.local")
    assert "malformed" not in sky.dig("+tcp", "db.skydns.local", "SRV")


def test_a_large_answer_is_cut_for_udp_and_whole_over_tcp(sky: Sky, put: Records) -> None:
    for number in range(60):
        put.raw(f"local/skydns/many/{number}", f'{{"host": "10.0.0.{number}", "port": {number + 1}}}')
    small = sky.ask("many", "SRV", use_edns=False)
    assert small.flags & dns.flags.TC
    assert len(small.to_wire()) <= 512
    assert 0 < len(flat(small.answer)) < 60
    whole = sky.ask("many", "SRV", tcp=True)
    assert not whole.flags & dns.flags.TC
    assert (len(flat(whole.answer)), len(flat(whole.additional))) == (60, 60)
    roomy = sky.ask("many", "SRV", payload=len(whole.to_wire()) - 500)
    assert not roomy.flags & dns.flags.TC
    assert (len(flat(roomy.answer)), roomy.additional) == (60, [])  # the addresses went first
    assert len(sky.dig("+short", "many.skydns.local", "SRV").splitlines()) == 60  # dig asks again over TCP


def test_several_questions_on_one_connection_and_a_slow_client_does_not_hold_up_others(
    sky: Sky, put: Records
) -> None:
    put("web", host="10.0.0.1")
    query = dns.message.make_query("web.skydns.local", "A")
    with (
        socket.create_connection((LOCAL, sky.port), 5) as slow,
        socket.create_connection((LOCAL, sky.port)) as busy,
    ):
        slow.sendall(b"\x00\x40ab")
        for _ in range(3):
            dns.query.send_tcp(busy, query)
            reply, _ = dns.query.receive_tcp(busy, time.time() + 5)
            assert flat(reply.answer) == ["A 10.0.0.1"]
        assert slow.recv(1) == b""  # the rest of its message did not come in time


@pytest.mark.parametrize("tcp", [False, True])
def test_other_domains_are_asked_for_elsewhere(start: Start, other: Sky, tcp: bool) -> None:
    sky = start("-nameservers", f"{LOCAL}:{other.port}")
    reply = sky.ask(f"web.{ELSEWHERE}.", tcp=tcp)
    assert flat(reply.answer) == ["A 10.9.9.9"]
    assert sky.ask(f"nobody.{ELSEWHERE}.", tcp=tcp).rcode() == dns.rcode.NXDOMAIN


def test_an_alias_to_another_domain_is_resolved_there(start: Start, other: Sky, put: Records) -> None:
    sky = start("-nameservers", f"{LOCAL}:{other.port}")
    # asked below another root, where the first server has no key of its own
    put("out", host=f"web.{ELSEWHERE}", port=80)
    etcds = put.etcd.client().get("/skydns/test/elsewhere/web").node.value
    assert "10.9.9.9" in etcds
    assert sky.records("out") == ["A 10.9.9.9", f"CNAME web.{ELSEWHERE}."]


def test_an_alias_whose_addresses_only_another_server_knows(start: Start, other: Sky, put: Records) -> None:
    sky = start("-nameservers", f"{LOCAL}:{other.port}", "-path-prefix", "own")
    client = put.etcd.client()
    client.set("/own/local/skydns/out", f'{{"host": "web.{ELSEWHERE}", "port": 80}}')
    client.set("/own/local/skydns/lost", f'{{"host": "nobody.{ELSEWHERE}"}}')
    wait_for(lambda: sky.ask("lost").rcode() == dns.rcode.NOERROR, 5, "the record is seen")
    reply = sky.ask("out")
    assert flat(reply.answer) == [f"CNAME web.{ELSEWHERE}.", "A 10.9.9.9"]
    assert {rrset.ttl for rrset in reply.answer} == {60}
    services = sky.ask("out", "SRV")
    assert flat(services.answer) == [f"SRV 10 100 80 web.{ELSEWHERE}."]
    assert flat(services.additional) == ["A 10.9.9.9"]
    assert sky.code("lost") == ("NOERROR", "QR AA RD RA", 0)


def test_what_cannot_be_asked_elsewhere_is_a_failure_at_once(start: Start) -> None:
    began = time.monotonic()
    sky = start("-rtimeout", "500ms")
    assert sky.code("short.") == ("SERVFAIL", "QR RD RA", 0)  # fewer labels than ndots
    assert sky.code(f"web.{ELSEWHERE}.") == ("SERVFAIL", "QR RD RA", 0)  # nobody listens there
    assert start("-no-rec").code(f"web.{ELSEWHERE}.") == ("SERVFAIL", "QR RD", 0)
    assert time.monotonic() - began < 10


def test_a_server_that_is_silent_costs_its_time_and_the_next_one_is_asked(start: Start, other: Sky) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOCAL, 0))
        servers = f"{LOCAL}:{silent.getsockname()[1]},{LOCAL}:{other.port}"
        sky = start("-nameservers", servers, "-ns-rotate=false", "-rtimeout", "2s")
        began = time.monotonic()
        assert sky.records(f"web.{ELSEWHERE}.") == ["A 10.9.9.9"]
        assert time.monotonic() - began >= 2


def test_answers_of_others_are_kept_if_that_is_wanted(start: Start, other: Sky) -> None:
    sky = start("-nameservers", f"{LOCAL}:{other.port}", "-rcache", "10")
    for _ in range(2):
        assert flat(sky.ask(f"web.{ELSEWHERE}.", use_edns=False).answer) == ["A 10.9.9.9"]
        other.process.kill()
        other.process.wait()


def test_a_server_that_names_itself_as_its_nameserver_does_not_ask_itself(start: Start) -> None:
    (port,) = free_ports(1)
    sky = start("-addr", f"{LOCAL}:{port}", "-nameservers", f"{LOCAL}:{port}")
    sky.port = port
    assert sky.code(f"web.{ELSEWHERE}.") == ("SERVFAIL", "QR RD RA", 0)
    sky.logged("is this server itself")


def test_the_local_name_stands_for_another_one(start: Start, put: Records, sky: Sky) -> None:
    put("here/x", host="10.0.0.7")
    local = start("-local", "x.here.skydns.local")
    reply = local.ask("local.dns")
    assert (reply.answer[0].name.to_text(), flat(reply.answer)) == ("local.dns.skydns.local.", ["A 10.0.0.7"])
    assert sky.code("local.dns") == ("NXDOMAIN", "QR RD", 0)


def test_a_stub_zone_is_asked_of_its_own_servers_and_never_in_a_circle(
    start: Start, other: Sky, put: Records
) -> None:
    sky = start("-stubzones")
    assert sky.ask(f"web.{ELSEWHERE}.").rcode() == dns.rcode.SERVFAIL
    put("dns/stub/test/elsewhere/a", host=LOCAL, port=other.port)
    assert sky.records(f"web.{ELSEWHERE}.") == ["A 10.9.9.9"]
    marked = dns.message.make_query(f"web.{ELSEWHERE}.", "A")
    marked.use_edns(0, options=[dns.edns.GenericOption(65011, b"\x01")])  # type: ignore[arg-type]
    with pytest.raises(dns.exception.Timeout):
        dns.query.udp(marked, LOCAL, timeout=0.5, port=sky.port)
    put.remove("dns/stub")
    assert sky.ask(f"web.{ELSEWHERE}.").rcode() == dns.rcode.SERVFAIL


def test_a_change_is_in_the_next_answer(sky: Sky, put: Records) -> None:
    for number in range(1, 20):
        put("web", host=f"10.0.0.{number}")
        assert sky.records("web") == [f"A 10.0.0.{number}"]
    put.remove("web")
    assert sky.code("web") == ("NXDOMAIN", "QR RD", 0)


def test_a_key_leaves_by_its_ttl_and_one_that_is_renewed_in_silence_stays(
    sky: Sky, put: Records, etcd: Etcd
) -> None:
    put("stays", host="10.0.0.2", expires=5)
    etcd.client().refresh("/skydns/local/skydns/stays", 60)
    began = time.monotonic()
    put("leaves", host="10.0.0.1", expires=1)
    wait_for(lambda: sky.ask("leaves").rcode() == dns.rcode.NXDOMAIN, 10, "the key is gone")
    assert time.monotonic() - began > 0.9
    wait_for(lambda: sky.ask("stays").answer[0].ttl > 40, 20, "its new TTL is seen")


def test_while_etcd_is_away_there_is_no_answer_and_afterwards_there_is(
    start: Start, put: Records, etcd: Etcd
) -> None:
    sky = start("-rtimeout", "300ms")
    stale = start("-rtimeout", "300ms", "-stale")
    put("web", host="10.0.0.1")
    put("brief", host="10.0.0.2", expires=3)
    etcd.stop()
    try:
        wait_for(lambda: not sky.ask("web").answer, 10, "skydns has noticed")
        assert sky.code("web") == ("NOERROR", "QR AA RD RA", 0)
        assert sky.code("web", "SRV")[0] == "SERVFAIL"
        assert stale.records("web") == ["A 10.0.0.1"]
        wait_for(lambda: not stale.ask("brief").answer, 10, "a key whose time has passed is not given")
    finally:
        etcd.start()
    wait_for(lambda: flat(sky.ask("web").answer) == ["A 10.0.0.1"], 10, "skydns is back")


def test_it_starts_without_etcd_and_answers_when_etcd_comes(start: Start, put: Records, etcd: Etcd) -> None:
    put("web", host="10.0.0.1")
    etcd.stop()
    try:
        sky = start("-rtimeout", "300ms")
        sky.logged("could not read from etcd")
        assert sky.code("web") == ("NOERROR", "QR AA RD RA", 0)
    finally:
        etcd.start()
    wait_for(lambda: flat(sky.ask("web").answer) == ["A 10.0.0.1"], 10, "skydns sees etcd")


def test_settings_in_etcd_win_over_flags(start: Start, put: Records) -> None:
    put.raw("config", '{"domain": "lab.test.", "ttl": 7, "min_ttl": 9}')
    put("web", within="test/lab", host="10.0.0.1")
    sky = start(ready=False)
    sky.logged("ready for queries on lab.test. for udp://127.0.0.1:")
    assert sky.ask("web.lab.test.").answer[0].ttl == 7
    assert sky.ask("nobody.lab.test.").authority[0].ttl == 9


@pytest.mark.parametrize(
    ("flags", "environment", "said"),
    [
        (("-addr", "localhost:53"), {}, "addr: IP:PORT wanted, not 'localhost:53'"),
        (("-addr=1.2.3.4:99999",), {}, "a port from 1 to 65535 wanted"),
        (("-colour", "green"), {}, "unknown flag -colour"),
        (("-ndots", "many"), {}, "-ndots: a number wanted"),
        (("-domain", "a..b"), {}, "not a domain"),
        (("-rtimeout", "soon"), {}, "a time such as 2s wanted"),
        (("-dnssec", "key"), {}, "-dnssec is not possible here"),
        (("-systemd",), {}, "no sockets were passed"),
        ((), {"ETCD_MACHINES": "etcd:4001"}, "ETCD_MACHINES: http://HOST:PORT wanted"),
        ((), {"SKYDNS_ROUND_ROBIN": "maybe"}, "SKYDNS_ROUND_ROBIN: true or false wanted"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line(
    start: Start, flags: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    sky = start(*flags, ready=False, **environment)
    assert sky.process.wait(10) == 2
    lines = [line for line in sky.log.read_text().splitlines() if "falling back" not in line]
    assert len(lines) == 1
    assert said in lines[0]


def test_settings_of_etcd_that_cannot_be_used_are_one_line_too(start: Start, put: Records) -> None:
    put.raw("config", '{"ttl": "long"}')
    sky = start(ready=False)
    assert sky.process.wait(10) == 2
    assert sky.log.read_text() == "skydns: etcd /skydns/config: ttl: int wanted, not 'long'\n"


def test_a_port_that_is_taken_is_one_line(sky: Sky, start: Start) -> None:
    second = start("-addr", f"{LOCAL}:{sky.port}", ready=False)
    assert second.process.wait(10) == 1
    assert "Address already in use" in second.log.read_text().splitlines()[-1]


def test_sigterm_ends_it_with_zero(sky: Sky) -> None:
    assert sky.stop() == 0


def test_help_names_every_flag_and_needs_no_etcd() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "skydns.program", "-help"],
        env={"PYTHONPATH": "provision/stack"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert "-addr" in done.stdout
    assert "ETCD_MACHINES" in done.stdout


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.2"])
def test_a_server_on_all_addresses_answers_from_the_one_that_was_asked(
    start: Start, put: Records, asked: str
) -> None:
    (port,) = free_ports(1)
    sky = start("-addr", f"0.0.0.0:{port}", ready=False)
    sky.logged("for udp://0.0.0.0:")
    query = dns.message.make_query("nobody.skydns.local", "A")
    for _ in range(2):  # compiled, then kept ready
        # an unconnected socket on another address: whatever comes is taken, and its source told
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(("127.0.0.3", 0))
            client.settimeout(5)
            client.sendto(query.to_wire(), (asked, port))
            reply, source = client.recvfrom(4096)
        assert source == (asked, port)
        assert dns.message.from_wire(reply).rcode() == dns.rcode.NXDOMAIN
