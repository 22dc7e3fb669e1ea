"""Makes the stages of a box: root, base image, baked images, stack layer and the disk of a VM."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.box_apt import Source
from lab.box_recipe import BASE_IMAGE, Image, Recipe, files
from lab.box_stage import sealed
from lab.errors import CommandError, UserError
from lab.shell import run

ROOT_WITHIN = 900  # seconds; 45 s is usual, the rest is for a slow mirror
BAKE_WITHIN = 600
STACK_WITHIN = 120
VM_WITHIN = 300

WRAPPER = """\
#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "{stack}")
from {module} import {function}

sys.exit({function}())
"""
STACK = "/usr/lib/discovery-lab/stack"


@dataclass(frozen=True)
class Maker:
    """The recipe with everything that was found out about this host."""

    recipe: Recipe
    images: dict[str, Image]
    provision: Path
    distribution: str
    suite: str
    sources: tuple[Source, ...]
    apt_options: tuple[str, ...]
    architecture: str

    def root(self, out: Path) -> None:
        """A root with kernel and all packages, in OUT/root."""
        kernel = self.recipe.distributions[self.distribution].kernel.format(arch=self.architecture)
        script = shlex.quote(str(self.provision / "box" / "finish-root.sh"))
        finish = f'chroot "$1" sh -s <{script}'
        self._mmdebstrap(out / "root", [*self.recipe.packages, kernel], finish)

    def base(self, out: Path) -> None:
        """The base image with its own package repository, as OUT/base.tar."""
        folder = self.provision / "images" / BASE_IMAGE
        names = [line for line in (folder / "packages").read_text().split("\n") if line[:1].strip("#")]
        fill = f'{shlex.quote(str(folder))}/fill-repository.sh "$1" {" ".join(names)}'
        self._mmdebstrap(out / "base.tar", [], fill)

    def baked(self, out: Path, root: Path, base: Path) -> None:
        """Docker's data with all images in OUT/docker, and the registry's seed in OUT/registry."""
        plan = []
        for name, image in self.images.items():
            context = out / "contexts" / name
            copy_sources(self.provision / "images" / name, context, leave=("image.yaml",))
            for package in image.stack:
                source = self.provision / "stack" / package
                if not source.exists():
                    raise UserError(
                        f"provision/images/{name}/image.yaml: stack: no {package!r} in provision/stack"
                    )
                copy_sources(source, context / "stack" / package)
            plan.append(f"{context} {'cached' if image.readers else 'push'} {' '.join(image.tags)}\n")
        (out / "plan").write_text("".join(plan))
        script = self.provision / "box" / "bake.sh"
        sealed(
            [script, root / "root", base / "base.tar", out, out / "plan"], timeout=BAKE_WITHIN, network=False
        )
        for left in ("contexts", "work"):
            shutil.rmtree(out / left)

    def stack(self, out: Path, root: Path) -> None:
        """The overlay, the stack and its commands as a layer for the root, in OUT/layer."""
        staged = out / "staged"
        copy_sources(self.provision / "box" / "overlay", staged)
        programs = self.provision / "stack"
        for package in sorted(
            path for path in programs.iterdir() if path.is_dir() and path.name[0] not in "._"
        ):
            copy_sources(package, staged / STACK[1:] / package.name)
        for name, target in self.recipe.wrappers.items():
            module, _, function = target.partition(":")
            path = programs.joinpath(*module.split("."))
            if path.with_suffix(".py").exists() or (path / "__init__.py").exists():
                wrapper = staged / "usr" / "bin" / name
                wrapper.parent.mkdir(parents=True, exist_ok=True)
                wrapper.write_text(WRAPPER.format(stack=STACK, module=module, function=function))
                wrapper.chmod(0o755)
        (out / "layer").mkdir()
        services = self.recipe.services
        units = [
            " ".join(names)
            for names in (services.enable, services.disable, services.mask, services.generators)
        ]
        script = self.provision / "box" / "stack.sh"
        sealed([script, root / "root", out / "layer", staged, *units], timeout=STACK_WITHIN, network=False)
        shutil.rmtree(staged)

    def vm(self, out: Path, root: Path, layer: Path, baked: Path) -> None:
        """A qcow2 disk, a kernel and an initrd in OUT."""
        vm = self.recipe.vm
        script = self.provision / "box" / "vm.sh"
        places = [root / "root", layer / "layer", baked / "docker", out]
        sealed([script, *places, vm.size, *vm.modules], timeout=VM_WITHIN, network=False)

    def _mmdebstrap(self, target: Path, packages: Sequence[str], finish: str) -> None:
        options = [
            'APT::Install-Recommends "false"',
            'Acquire::Languages "none"',
            *self.apt_options,
        ]
        command = ["mmdebstrap", "--mode=root", "--variant=apt", f"--architectures={self.architecture}"]
        command += [f"--include={','.join(packages)}"] if packages else []
        command += [f"--aptopt={option}" for option in options]
        command += ["--dpkgopt=force-unsafe-io"]  # a root that was cut short is thrown away, not repaired
        command += [f"--dpkgopt=path-exclude={pattern}" for pattern in self.recipe.exclude]
        command += [f"--customize-hook={finish}"]
        command += [self.suite, str(target), *(source.line() for source in self.sources)]
        try:
            # INITRD=No: the kernel's hooks would make an initrd of their own, in 8 s and for nobody.
            sealed(command, timeout=ROOT_WITHIN, env={"INITRD": "No", "LC_ALL": "C.UTF-8"})
        except CommandError as problem:
            raise UserError(
                f"the packages of {self.suite} could not be installed: {_reason(problem)}"
            ) from None


def copy_sources(source: Path, target: Path, leave: Sequence[str] = ()) -> None:
    """Copy a folder of the checkout without byte code, with the modes a fresh checkout has."""
    target.mkdir(parents=True, exist_ok=True)
    for file in files(source):
        name = file.relative_to(source)
        if str(name) in leave:
            continue
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place, follow_symlinks=False)
        if not file.is_symlink():
            place.chmod(0o755 if file.stat().st_mode & 0o111 else 0o644)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)


def host_architecture() -> str:
    return run(["dpkg", "--print-architecture"], timeout=10).strip()


def _reason(problem: CommandError) -> str:
    """The line of apt's or mmdebstrap's output that says what went wrong."""
    lines = [line.strip() for line in problem.output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "Err:", "error:"))]
    return (errors or lines or ["no output"])[0][:300]
