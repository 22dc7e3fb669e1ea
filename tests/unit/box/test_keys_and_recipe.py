"""Which change makes which stage of the box anew, and what is said about a recipe that is wrong."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.box_apt import Source
from lab.box_recipe import PROVISION, Keys, compute_keys, digest, read_images, read_recipe
from lab.errors import UserError

SOURCES = (Source("http://m.test/d", "bookworm", ("main",)),)


@pytest.fixture
def provision(tmp_path: Path) -> Path:
    copy = tmp_path / "provision"
    shutil.copytree(PROVISION, copy, symlinks=True)
    return copy


def keys(provision: Path, sources: tuple[Source, ...] = SOURCES) -> Keys:
    return compute_keys(read_recipe(provision), read_images(provision), sources, "debian", "amd64", provision)


def changed(before: Keys, after: Keys) -> set[str]:
    return {
        field.name
        for field in dataclasses.fields(Keys)
        if getattr(before, field.name) != getattr(after, field.name)
    }


def append(name: str) -> Callable[[Path], None]:
    def change(provision: Path) -> None:
        with (provision / name).open("a") as file:
            file.write("\n# changed\n")

    return change


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (append("stack/fleet/__init__.py"), {"stack", "vm", "box"}),
        (append("box/overlay/etc/docker/daemon.json"), {"stack", "vm", "box"}),
        (append("stack/ambassador/__init__.py"), {"images", "stack", "vm", "box"}),
        (append("images/apache/Dockerfile"), {"images", "vm", "box"}),
        (append("images/debian/packages"), {"base", "images", "vm", "box"}),
        (append("box/finish-root.sh"), {"root", "images", "stack", "vm", "box"}),
        (append("box/initrd.sh"), {"vm"}),
        (append("box/recipe.yaml"), set()),
    ],
)
def test_a_change_makes_only_its_own_stages_anew(
    provision: Path, change: Callable[[Path], None], stages: set[str]
) -> None:
    before = keys(provision)
    change(provision)
    assert changed(before, keys(provision)) == stages


def test_another_mirror_makes_the_root_anew(provision: Path) -> None:
    other = (Source("http://other.test/d", "bookworm", ("main",)),)
    assert "root" in changed(keys(provision), keys(provision, other))


def test_place_time_and_byte_code_change_nothing(provision: Path, tmp_path: Path) -> None:
    before = keys(provision)
    moved = tmp_path / "elsewhere"
    shutil.copytree(provision, moved, symlinks=True, copy_function=shutil.copyfile)
    for file in provision.rglob("*"):
        if file.is_file() and not file.is_symlink() and file.stat().st_mode & 0o111:
            (moved / file.relative_to(provision)).chmod(0o700)
    cache = moved / "stack" / "fleet" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "x.pyc").write_bytes(b"x")
    assert changed(before, keys(moved)) == set()


def test_a_script_that_became_executable_is_a_change(provision: Path) -> None:
    before = keys(provision)
    (provision / "box" / "overlay" / "etc" / "docker" / "daemon.json").chmod(0o755)
    assert changed(before, keys(provision)) == {"stack", "vm", "box"}


def test_parts_of_a_key_do_not_run_together() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")


def test_the_base_image_is_no_image_to_bake_and_readers_images_are_known() -> None:
    images = read_images()
    assert "debian" not in images
    kinds = {image.tags[0].partition("/")[0] for image in images.values() if image.readers}
    assert kinds == {"user_name", "local"}
    assert images["apache"].readers
    assert not images["simple-amb"].readers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("packages: [", "recipe.yaml: not YAML"),
        ("packages: []\n", "recipe.yaml: distributions: Field required"),
        ("nonsense: 1\n", "recipe.yaml"),
        ("- a\n", "recipe.yaml: the file"),
    ],
)
def test_a_wrong_recipe_is_one_line_that_names_file_and_field(
    provision: Path, text: str, message: str
) -> None:
    (provision / "box" / "recipe.yaml").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_recipe(provision)
    assert "\n" not in str(caught.value)
