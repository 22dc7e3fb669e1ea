"""What the box takes from the host's apt configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.box_apt import (
    Source,
    choose,
    host_release,
    host_sources,
    official,
    parse_deb822,
    parse_one_line,
    passed_on,
)
from lab.errors import UserError

SUITES = {"bookworm": "debian", "trixie": "debian", "jammy": "ubuntu"}
COMPONENTS = {"debian": ("main",), "ubuntu": ("main", "universe")}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb http://m.test/d bookworm main", Source("http://m.test/d", "bookworm", ("main",))),
        ("  deb\thttp://m.test/d  s  main  contrib  ", Source("http://m.test/d", "s", ("main", "contrib"))),
        ("deb http://m.test/d s main # mine", Source("http://m.test/d", "s", ("main",))),
        (
            "deb [ arch=amd64 signed-by=/k/a.gpg ] http://m.test/d s main",
            Source("http://m.test/d", "s", ("main",), "/k/a.gpg"),
        ),
        ("deb http://m.test/d ./", Source("http://m.test/d", "./", ())),
    ],
)
def test_a_one_line_source_is_read(line: str, expected: Source) -> None:
    assert list(parse_one_line(line)) == [expected]


@pytest.mark.parametrize(
    "line",
    ["", "# deb http://m.test/d s main", "deb-src http://m.test/d s main", "debian", "deb http://m.test"],
)
def test_a_line_that_names_no_binary_packages_gives_nothing(line: str) -> None:
    assert list(parse_one_line(line)) == []


def test_a_deb822_paragraph_is_every_uri_times_every_suite() -> None:
    text = "Types: deb deb-src\nURIs: http://a.test http://b.test\nSuites: s\n s-updates\nComponents: main\n"
    assert [(one.uri, one.suite) for one in parse_deb822(text)] == [
        ("http://a.test", "s"),
        ("http://a.test", "s-updates"),
        ("http://b.test", "s"),
        ("http://b.test", "s-updates"),
    ]


@pytest.mark.parametrize("field", ["Enabled: no", "Enabled: false", "Types: deb-src"])
def test_a_deb822_paragraph_that_is_off_or_has_only_sources_gives_nothing(field: str) -> None:
    text = f"Types: deb\nURIs: http://a.test\nSuites: s\nComponents: main\n{field}\n"
    assert list(parse_deb822(text)) == []


def test_comments_between_deb822_fields_and_blank_lines_between_paragraphs_do_no_harm() -> None:
    text = "Types: deb\n# old: http://x.test\nURIs: http://a.test\nSuites: s\nComponents: main\n \n\n"
    text += "types: deb\nuris: http://b.test\nsuites: t\n"
    assert [one.uri for one in parse_deb822(text)] == ["http://a.test", "http://b.test"]


words = st.text("abcxyz0123-./:", min_size=1, max_size=12).filter(lambda word: not word.startswith("["))


@given(
    st.builds(Source, words, words, st.lists(words, max_size=3).map(tuple), st.just("") | st.just("/k/x.gpg"))
)
def test_a_source_reads_back_from_the_line_it_is_written_as(source: Source) -> None:
    assert list(parse_one_line(source.line())) == [source]


@given(st.text())
def test_no_text_is_too_odd_to_read(text: str) -> None:
    list(parse_one_line(text))
    list(parse_deb822(text))


def test_a_third_party_with_the_same_suite_is_left_out() -> None:
    ours = Source("http://m.test/d", "bookworm", ("main",), "/usr/share/keyrings/debian-archive-keyring.gpg")
    theirs = [
        Source("http://x.test", "bookworm", ("main",), "/usr/share/keyrings/theirs.gpg"),
        Source("http://x.test", "bookworm", ("stable",)),
        Source("http://x.test", "tool-bookworm", ("main",)),
        Source("cdrom:[Debian]/", "bookworm", ("main",)),
        Source("http://x.test", "bookworm", ("main",), "-----BEGIN PGP PUBLIC KEY BLOCK-----\n..."),
    ]
    assert official([*theirs, ours, ours], "debian", "bookworm") == [ours]


def test_the_host_s_own_mirror_is_taken_with_updates_and_security() -> None:
    host = [Source("http://m.test/d", f"bookworm{part}", ("main", "contrib")) for part in ("", "-updates")]
    host.append(Source("http://s.test/d", "bookworm-security", ("main",)))
    distribution, suite, sources = choose(None, None, host, "debian", "bookworm", SUITES, COMPONENTS)
    assert (distribution, suite) == ("debian", "bookworm")
    assert [one.line() for one in sources] == [
        "deb http://m.test/d bookworm main",
        "deb http://m.test/d bookworm-updates main",
        "deb http://s.test/d bookworm-security main",
    ]


def test_another_suite_of_the_same_distribution_comes_from_the_same_mirror() -> None:
    host = [Source("http://m.test/d", "bookworm", ("main",))]
    _, suite, sources = choose("trixie", None, host, "debian", "bookworm", SUITES, COMPONENTS)
    assert (suite, sources) == ("trixie", [Source("http://m.test/d", "trixie", ("main",))])


def test_an_ubuntu_root_is_two_values() -> None:
    distribution, suite, sources = choose(
        "jammy", "http://u.test", [], "debian", "bookworm", SUITES, COMPONENTS
    )
    assert (distribution, suite) == ("ubuntu", "jammy")
    assert sources == [Source("http://u.test", "jammy", ("main", "universe"))]


@pytest.mark.parametrize(
    ("suite", "host", "message"),
    [
        ("sarge", [], "box.suite: 'sarge'"),
        ("jammy", [Source("http://m.test", "bookworm", ("main",))], "box.mirror: needed for jammy"),
        (None, [], "no mirror for bookworm"),
        (None, [Source("http://x.test", "bookworm", ("main",), "/k/theirs.gpg")], "no mirror for bookworm"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(suite: str | None, host: list[Source], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        choose(suite, None, host, "debian", "bookworm", SUITES, COMPONENTS)
    assert "\n" not in str(caught.value)


def test_proxies_and_certificates_are_passed_on_and_nothing_else() -> None:
    dump = [
        'Acquire::http::Proxy "http://p.test:3142";',
        'Acquire::https::m.test::CaInfo "/ca.pem";',
        'Acquire::Check-Valid-Until "false";',
    ]
    other = [
        'APT::Install-Recommends "true";',
        'DPkg::Post-Invoke:: "x";',
        'Acquire::http::Proxy "";',
        "Acquire;",
    ]
    assert passed_on("\n".join(dump + other)) == dump


def test_the_host_s_files_are_read_in_both_formats_and_others_ignored(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://one.test s main\n")
    (parts / "b.sources").write_text("Types: deb\nURIs: http://two.test\nSuites: s\n")
    (parts / "c.list.save").write_text("deb http://three.test s main\n")
    assert [one.uri for one in host_sources(tmp_path)] == ["http://one.test", "http://two.test"]


def test_the_host_s_release_is_known_with_and_without_quotes(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    file.write_text('ID="ubuntu"\nVERSION_CODENAME=jammy\n')
    assert host_release(file) == ("ubuntu", "jammy")
    assert host_release(tmp_path / "absent") == ("unknown", "unknown")
