"""Each kind of record, as a client of the network sees it."""

from __future__ import annotations

import math
import time
from collections import Counter

from tests.stack.skydns.conftest import Records, Sky, Start, flat

NODATA = ("NOERROR", "QR AA RD RA", 0)
NXDOMAIN = ("NXDOMAIN", "QR RD", 0)


def test_an_address_is_found_at_its_name_and_at_every_name_above(sky: Sky, put: Records) -> None:
    put("east/production/rails/1", host="10.0.1.125")
    put("east/production/rails/2", host="10.0.1.126")
    assert sky.records("1.rails.production.east") == ["A 10.0.1.125"]
    assert sky.records("rails.production.east") == ["A 10.0.1.125", "A 10.0.1.126"]
    assert sky.records("") == ["A 10.0.1.125", "A 10.0.1.126"]
    assert sky.code("1.rails.production.east") == ("NOERROR", "QR AA RD RA", 1)


def test_an_answer_keeps_the_letters_of_the_question_and_a_key_with_capitals_is_never_found(
    sky: Sky, put: Records
) -> None:
    put("web", host="10.0.0.1")
    put("Shop", host="10.0.0.2")
    (rrset,) = sky.ask("WeB").answer
    assert rrset.name.to_text() == "WeB.skydns.local."
    assert sky.code("shop") == sky.code("Shop") == NXDOMAIN


def test_no_such_name_differs_from_no_such_record(sky: Sky, put: Records) -> None:
    put("web/a", host="10.0.0.1")
    put("empty/x", host="10.0.0.1")
    assert sky.code("nowhere") == sky.code("nowhere", "SRV") == sky.code("nowhere", "HINFO") == NXDOMAIN
    assert sky.code("web", "AAAA") == sky.code("web", "TXT") == sky.code("web", "HINFO") == NODATA
    assert sky.code("nowhere", "NS") == NODATA
    (soa,) = sky.ask("nowhere").authority
    assert (soa.name.to_text(), soa.ttl) == ("skydns.local.", 60)
    assert soa[0].to_text().startswith("ns.dns.skydns.local. hostmaster.skydns.local. ")


def test_a_directory_that_has_become_empty_is_a_name_without_records(sky: Sky, put: Records) -> None:
    put("gone/a", host="10.0.0.1")
    put.remove("gone/a")
    assert sky.code("gone") == NODATA


def test_services_have_weights_targets_and_addresses(sky: Sky, put: Records) -> None:
    put("db/a", host="10.0.0.1", port=5001, weight=120)
    put("db/b", host="10.0.0.2", port=5002)
    put("db/c", host="fd00::3", port=5003, weight=130)
    put("db/d", host="10.0.0.4", port=5004, priority=20)
    reply = sky.ask("db", "SRV")
    assert sorted(flat(reply.answer)) == [
        "SRV 10 28 5002 b.db.skydns.local.",
        "SRV 10 34 5001 a.db.skydns.local.",
        "SRV 10 37 5003 c.db.skydns.local.",
        "SRV 20 100 5004 d.db.skydns.local.",
    ]
    assert sorted(flat(reply.additional)) == ["A 10.0.0.1", "A 10.0.0.2", "A 10.0.0.4", "AAAA fd00::3"]


def test_a_service_may_point_to_a_name(sky: Sky, put: Records) -> None:
    put("db/a", host="10.0.0.1")
    put("db/b", host="fd00::2")
    put("front", host="db.skydns.local", port=80)
    reply = sky.ask("front", "SRV")
    assert flat(reply.answer) == ["SRV 10 100 80 db.skydns.local."]
    assert sorted(flat(reply.additional)) == ["A 10.0.0.1", "AAAA fd00::2"]


def test_labels_are_taken_from_a_target(sky: Sky, put: Records) -> None:
    put("db/a", host="10.0.0.1", port=1, targetstrip=1)
    assert sky.records("db", "SRV") == ["SRV 10 100 1 db.skydns.local."]


def test_wildcards_match_one_label_each(sky: Sky, put: Records) -> None:
    put("east/staging/rails/1", host="10.0.0.1")
    put("east/production/rails/2", host="10.0.0.2")
    put("west/staging/redis/3", host="10.0.0.3")
    assert sky.records("*.east") == ["A 10.0.0.1", "A 10.0.0.2"]
    assert sky.records("staging.*") == ["A 10.0.0.1", "A 10.0.0.3"]
    assert sky.records("rails.any.east") == ["A 10.0.0.1", "A 10.0.0.2"]
    assert sky.records("rails.staging.any") == ["A 10.0.0.1"]
    assert sky.records("*.*.*.*.east") == []


def test_aliases_are_followed_and_those_that_lead_nowhere_are_left_out(sky: Sky, put: Records) -> None:
    put("web/a", host="10.0.0.1")
    put("one", host="web.skydns.local")
    put("two", host="one.skydns.local")
    put("circle/x", host="circle.skydns.local")
    put("left", host="right.skydns.local")
    put("right", host="left.skydns.local")
    put("dangling", host="nobody.skydns.local")
    assert sky.records("one") == ["A 10.0.0.1", "CNAME web.skydns.local."]
    assert flat(sky.ask("two").answer) == [
        "CNAME one.skydns.local.",
        "CNAME web.skydns.local.",
        "A 10.0.0.1",
    ]
    assert sky.code("one", "AAAA") == NODATA
    for name in ("x.circle", "circle", "left", "dangling"):
        assert sky.code(name) == NODATA, name
    assert sky.records("one", "CNAME") == ["CNAME web.skydns.local."]
    assert sky.code("web", "CNAME") == NODATA


def test_texts_of_any_length_and_mail(sky: Sky, put: Records) -> None:
    put("note", text="x" * 300)
    put("mx/a", host="10.0.0.1", mail=True, priority=5)
    put("mx/b", host="mx.other.skydns.local", mail=True)
    put("mx/c", host="10.0.0.3")
    assert sky.records("note", "TXT") == [f'TXT "{"x" * 255}" "{"x" * 45}"']
    reply = sky.ask("mx", "MX")
    assert sorted(flat(reply.answer)) == ["MX 10 mx.other.skydns.local.", "MX 5 a.mx.skydns.local."]
    assert flat(reply.additional) == ["A 10.0.0.1"]


def test_the_smallest_ttl_counts(sky: Sky, put: Records) -> None:
    put("own", host="10.0.0.1", ttl=70)
    put("etcds", host="10.0.0.1", expires=50)
    put("both", host="10.0.0.1", ttl=60, expires=30)
    put("none", host="10.0.0.1")
    put("set/a", host="10.0.0.1")
    put("set/b", host="10.0.0.2", ttl=600)
    put("set/c", host="10.0.0.3", expires=40)
    ttls = {name: sky.ask(name).answer[0].ttl for name in ("own", "etcds", "both", "none", "set")}
    assert ttls["own"] == 70
    assert ttls["none"] == 3600
    assert 48 <= ttls["etcds"] <= 50
    assert 28 <= ttls["both"] <= 30
    assert 38 <= ttls["set"] <= 40


def test_a_ttl_of_etcd_runs_down_second_by_second(sky: Sky, put: Records) -> None:
    earliest = time.monotonic() + 30
    put("short", host="10.0.0.1", expires=30)
    latest = time.monotonic() + 30
    ttl = 30
    while ttl > 27:
        before = time.monotonic()
        ttl = sky.ask("short").answer[0].ttl
        after = time.monotonic()
        assert math.ceil(earliest - after) <= ttl <= math.ceil(latest - before + 0.02)
        time.sleep(0.01)


def test_the_zone_s_own_names(sky: Sky, put: Records) -> None:
    put("dns/ns/a", host="10.0.0.1")
    put("dns/ns/b", host="10.0.0.2")
    reply = sky.ask("", "NS")
    assert sorted(flat(reply.answer)) == ["NS a.ns.dns.skydns.local.", "NS b.ns.dns.skydns.local."]
    assert sorted(flat(reply.additional)) == ["A 10.0.0.1", "A 10.0.0.2"]
    (soa,) = sky.records("", "SOA")
    serial = int(soa.split()[3])
    assert serial % 3600 == 0
    assert soa.split()[4:] == ["28800", "7200", "604800", "60"]
    assert 0 <= time.time() - serial < 3700


def test_any_is_refused_and_the_server_tells_who_it_is(sky: Sky) -> None:
    assert sky.code("", "ANY") == ("REFUSED", "QR RD", 0)
    assert sky.records("version.bind.", "TXT", rdclass="CH") == ['TXT "2.5.3a"']
    assert len(sky.records("authors.bind.", "TXT", rdclass="CH")) == 4
    assert sky.records("id.server.", "TXT", rdclass="CH") == ['TXT "localhost"']
    assert sky.ask("other.bind.", "TXT", rdclass="CH").rcode() == 2


def test_an_address_has_a_name_if_one_key_says_so(sky: Sky, put: Records) -> None:
    put("10/0/1/125", within="arpa/in-addr", host="web.skydns.local")
    assert sky.records("125.1.0.10.in-addr.arpa.", "PTR") == ["PTR web.skydns.local."]
    assert sky.code("125.1.0.10.in-addr.arpa.", "PTR") == ("NOERROR", "QR RD RA", 1)


def test_a_group_hides_the_others(sky: Sky, put: Records) -> None:
    put("g/a", host="10.0.0.1", group="one")
    put("g/b", host="10.0.0.2", group="one")
    put("g/sub/c", host="10.0.0.3", group="two")
    put("g/sub/d", host="10.0.0.4", group="two")
    assert sky.records("g") == ["A 10.0.0.1", "A 10.0.0.2"]
    assert sky.records("sub.g") == ["A 10.0.0.3", "A 10.0.0.4"]


def test_equal_services_are_one(sky: Sky, put: Records) -> None:
    for name in ("a", "b", "c"):
        put(f"dup/{name}", host="10.0.0.1", port=80)
    assert sky.records("dup", "SRV") == ["SRV 10 100 80 a.dup.skydns.local."]
    assert sky.records("dup") == ["A 10.0.0.1"]


def test_a_malformed_record_is_left_out_and_logged_and_the_others_are_served(sky: Sky, put: Records) -> None:
    put("mixed/good", host="10.0.0.1", port=80)
    for name, value in (
        ("bad", "{not json"),
        ("list", "[1]"),
        ("port", '{"host": "10.0.0.2", "port": "80"}'),
    ):
        put.raw(f"local/skydns/mixed/{name}", value)
    assert sky.records("mixed") == ["A 10.0.0.1"]
    assert sky.records("mixed", "SRV") == ["SRV 10 100 80 good.mixed.skydns.local."]
    assert sky.code("bad.mixed") == NODATA
    sky.logged("/skydns/local/skydns/mixed/bad: not JSON; left out")
    sky.logged("/skydns/local/skydns/mixed/port: port: int wanted, not '80'")


def test_fields_may_be_written_in_any_case_and_unknown_ones_do_not_matter(sky: Sky, put: Records) -> None:
    put("web", Host="10.0.0.1", PORT=80, colour="green", ttl=None)
    assert sky.records("web", "SRV") == ["SRV 10 100 80 web.skydns.local."]


def test_the_order_of_addresses_changes_and_each_is_first_as_often(sky: Sky, put: Records) -> None:
    for number in range(3):
        put(f"many/{number}", host=f"10.0.0.{number}")
    first = Counter(sky.ask("many").answer[0][0].to_text() for _ in range(60))
    assert set(first.values()) == {20}


def test_without_round_robin_the_order_stays(start: Start, put: Records) -> None:
    for number in range(3):
        put(f"many/{number}", host=f"10.0.0.{number}")
    sky = start("-round-robin=false")
    assert len({tuple(flat(sky.ask("many").answer)) for _ in range(10)}) == 1


def test_a_name_with_an_underscore_is_looked_up_where_etcd_hides_it(sky: Sky, put: Records) -> None:
    put("web/_tcp/_http/a", host="10.0.0.1", port=80)
    assert sky.records("_http._tcp.web", "SRV") == ["SRV 10 100 80 a._http._tcp.web.skydns.local."]
    assert sky.code("_ftp._tcp.web", "SRV") == NXDOMAIN
