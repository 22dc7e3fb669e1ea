"""The recipe of the box, read and checked, and the keys that say which stages a change makes anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.box_apt import Source
from lab.errors import UserError

PROVISION = Path(__file__).resolve().parent.parent / "provision"
BASE_IMAGE = "debian"
FORMAT = "1"  # raise it when lab/box*.py makes something else from the same recipe


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


P = TypeVar("P", bound=Part)


class Distribution(Part):
    suites: tuple[str, ...]
    components: tuple[str, ...]
    kernel: str


class Services(Part):
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    generators: tuple[str, ...] = ()  # of systemd, switched off


class Vm(Part):
    size: str = Field(pattern=r"^\d+G$")
    modules: tuple[str, ...]
    arguments: str


class Recipe(Part):
    """provision/box/recipe.yaml."""

    distributions: dict[str, Distribution]
    packages: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    services: Services = Services()
    wrappers: dict[str, str] = {}
    vm: Vm

    def distribution_of(self) -> dict[str, str]:
        """Distribution by suite."""
        return {suite: name for name, one in self.distributions.items() for suite in one.suites}


class Image(Part):
    """provision/images/NAME/image.yaml: the image's tags, and the packages of the stack in its context.

    One that carries the reader's placeholder name, or is `local/...`, goes into the layer cache alone: the
    reader's own build of it is quick, but until then neither the machine nor the registry knows it.
    """

    tags: tuple[str, ...] = Field(min_length=1)
    stack: tuple[str, ...] = ()

    @property
    def readers(self) -> bool:
        return self.tags[0].startswith(("user_name/", "local/"))


@dataclass(frozen=True)
class Keys:
    """Key of each stage; a stage is built again when its key changes."""

    root: str
    base: str
    images: str
    stack: str
    vm: str
    box: str


def read_recipe(provision: Path = PROVISION) -> Recipe:
    return _read(provision / "box" / "recipe.yaml", Recipe)


def read_images(provision: Path = PROVISION) -> dict[str, Image]:
    """The images to bake, by folder, the base image left out."""
    folders = sorted(path.parent for path in (provision / "images").glob("*/image.yaml"))
    return {
        folder.name: _read(folder / "image.yaml", Image) for folder in folders if folder.name != BASE_IMAGE
    }


def compute_keys(
    recipe: Recipe,
    images: dict[str, Image],
    sources: Iterable[Source],
    distribution: str,
    architecture: str,
    provision: Path = PROVISION,
) -> Keys:
    """Keys that depend on content alone: not on times, owners or where the checkout lies."""
    box = provision / "box"
    origin = [FORMAT, architecture, distribution, *(source.line() for source in sources)]
    kernel = recipe.distributions[distribution].kernel
    root = digest(*origin, kernel, *recipe.packages, *recipe.exclude, *tree(box / "finish-root.sh"))
    base = digest(*origin, *recipe.exclude, *tree(provision / "images" / BASE_IMAGE))
    baked = digest(
        root,
        base,
        *tree(box / "bake.sh"),
        *(part for name in images for part in tree(provision / "images" / name)),
        *(p for image in images.values() for name in image.stack for p in tree(provision / "stack" / name)),
    )
    stack = digest(
        root,
        repr(sorted(recipe.wrappers.items())),
        recipe.services.model_dump_json(),
        *tree(box / "overlay"),
        *tree(box / "finish-stack.sh"),
        *tree(box / "stack.sh"),
        *tree(provision / "stack"),
    )
    vm = digest(
        root, baked, stack, recipe.vm.model_dump_json(), *tree(box / "vm.sh"), *tree(box / "initrd.sh")
    )
    return Keys(root=root, base=base, images=baked, stack=stack, vm=vm, box=digest(root, baked, stack))


def digest(*parts: str) -> str:
    """Twelve hexadecimal digits over `parts`, in which ("ab", "c") and ("a", "bc") differ."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode()
        total.update(b"%d:" % len(data) + data)
    return total.hexdigest()[:12]


def tree(path: Path) -> Iterator[str]:
    """Name, kind and content of every file at or below `path`, in a fixed order; no byte code."""
    if not path.exists() and not path.is_symlink():
        yield "absent"
        return
    for file in [path] if not path.is_dir() else files(path):
        name = str(file.relative_to(path))
        if file.is_symlink():
            yield f"{name} -> {file.readlink()}"
        else:
            executable = "x" if file.stat().st_mode & 0o111 else "-"
            yield f"{name} {executable} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def files(folder: Path) -> list[Path]:
    """The files and links below `folder` that are source: no byte code, no caches of tools."""
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") and part.endswith("_cache") for part in parts)
        if "__pycache__" not in parts and not hidden and (path.is_symlink() or path.is_file()):
            found.append(path)
    return found


def _read(path: Path, model: type[P]) -> P:
    try:
        return model.model_validate(yaml.safe_load(path.read_text()))
    except OSError as problem:
        raise UserError(f"{path}: cannot be read ({problem.strerror})") from None
    except yaml.YAMLError as problem:
        raise UserError(f"{path}: not YAML: {str(problem).splitlines()[0]}") from None
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where or 'the file'}: {first['msg']}") from None
