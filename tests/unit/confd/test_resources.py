"""Template resources: every key, what is unknown, what is wrong, and where they are found."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import resource
from confd.problem import Problem
from confd.resource import Resource
from confd.settings import Settings

SETTINGS = Settings(confdir="/c")


def parse(text: str, settings: Settings = SETTINGS) -> Resource:
    return resource.parse("/c/conf.d/a.toml", text, settings)[0]


def test_every_key_is_taken() -> None:
    text = """
        [template]
        src = "sub/a.tmpl"
        dest = "/d/a.conf"
        keys = ["/web//", "db"]
        prefix = "/p"
        mode = "0600"
        uid = 1
        gid = 2
        owner = "root"
        group = "adm"
        check_cmd = "check {{.src}}"
        reload_cmd = "reload"
        reload_retry = true
    """
    assert parse(text) == Resource(
        path="/c/conf.d/a.toml",
        template="/c/templates/sub/a.tmpl",
        dest="/d/a.conf",
        keys=("/p/web", "/p/db"),
        prefix="/p",
        mode="0600",
        uid=1,
        gid=2,
        owner="root",
        group="adm",
        check_cmd="check {{.src}}",
        reload_cmd="reload",
        reload_retry=True,
    )


def test_the_rest_has_defaults_and_an_absolute_src_stays_below_templates() -> None:
    assert parse('[template]\nsrc = "/etc/passwd"') == Resource(
        path="/c/conf.d/a.toml", template="/c/templates/etc/passwd"
    )


@pytest.mark.parametrize(
    ("own", "of_all", "prefix", "key"),
    [
        ("", "", "/", "/web"),
        ("p", "", "/p", "/p/web"),
        ("/p/", "", "/p/", "/p/web"),
        ("/p", "/g", "/g", "/g/web"),
        ("/p", "g", "/g", "/g/web"),
    ],
)
def test_the_global_prefix_replaces_the_resources_own(own: str, of_all: str, prefix: str, key: str) -> None:
    text = f'[template]\nsrc = "a"\nprefix = "{own}"\nkeys = ["/web"]'
    read = parse(text, Settings(confdir="/c", prefix=of_all))
    assert (read.prefix, read.keys) == (prefix, (key,))


def test_names_may_be_in_another_case_and_the_exact_one_wins() -> None:
    assert parse('[Template]\nSRC = "a"\nDest = "/x"').dest == "/x"
    assert parse('[template]\nsrc = "a"\ndest = "/exact"\nDEST = "/other"').dest == "/exact"


def test_unknown_keys_are_warnings() -> None:
    text = 'top = 1\n[template]\nsrc = "a"\nmod = "0644"\n[extra]\n'
    _, warnings = resource.parse("/c/a.toml", text, SETTINGS)
    assert warnings == [
        f'Unknown key "{name}" in /c/a.toml: ignored' for name in ("template.mod", "top", "extra")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty src template"),
        ('[template]\nsrc = ""', "empty src template"),
        ('[template]\ndest = "/x"', "empty src template"),
        ("[template", "Cannot process template resource /c/conf.d/a.toml - "),
        ("template = 5", "Cannot process template resource /c/conf.d/a.toml - toml: "),
        ("[template]\nsrc = 5", "into a Go string (key src)"),
        ('[template]\nsrc = "a"\nuid = "0"', "of type string into a Go integer (key uid)"),
        ('[template]\nsrc = "a"\nkeys = "/a"', "of type string into a Go slice (key keys)"),
        ('[template]\nsrc = "a"\nmode = 0o644', "of type int64 into a Go string (key mode)"),
        ('[template]\nsrc = "a"\nuid = true', "of type bool into a Go integer (key uid)"),
        ("a = " + "[" * 5000, "Cannot process template resource /c/conf.d/a.toml - "),
    ],
)
def test_a_mistake_names_file_and_key(text: str, message: str) -> None:
    with pytest.raises(Problem) as told:
        parse(text)
    assert message in str(told.value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(Problem):
        parse(text)


def test_resources_are_found_at_any_depth_in_lexical_order(tmp_path: Path) -> None:
    for name in ("b.toml", "a/z.toml", "a/xtoml", "a.toml", "c.tmpl", "d.toml.bak"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link.toml").symlink_to(tmp_path / "c.tmpl")
    (tmp_path / "folder.toml").mkdir()
    found = [path.removeprefix(f"{tmp_path}/") for path in resource.find(str(tmp_path), "*toml")]
    assert found == ["a/xtoml", "a/z.toml", "a.toml", "b.toml", "link.toml"]


def test_a_missing_folder_and_a_link_to_nothing_are_errors(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"stat .*/none: no such file or directory"):
        resource.find(str(tmp_path / "none"), "*toml")
    (tmp_path / "gone.toml").symlink_to("nowhere")
    with pytest.raises(Problem, match=r"stat .*/gone.toml: no such file or directory"):
        resource.find(str(tmp_path), "*toml")
