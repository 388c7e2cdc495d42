"""The workshop's own system, made when it is first needed: by a recipe's command, or by the outputs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from builder.digest import key_of
from builder.manifest.workshop import Choice
from builder.store.objects import Store
from builder.store.trees import Tree
from builder.system.build import Workbench, build_debian_system, build_image_system
from builder.system.command import run_command
from builder.system.dockerfile import system_dockerfile
from builder.system.system import System


def system_of(choice: Choice, base: Mapping[str, str], bench: Workbench) -> System:
    """The system that a choice asks for, on the base that the lock names."""
    has_jupyter = choice.manifest.services.jupyter is not None
    suite = choice.manifest.base.debian
    if suite is not None:
        return build_debian_system(suite, choice.packages, bench, jupyter=has_jupyter)
    return build_image_system(base, choice.folder, choice.packages, bench, jupyter=has_jupyter)


@dataclass(frozen=True)
class Workplace:
    """Runs commands of recipes in the system of one choice; `bench` is asked for when the first of them runs."""

    choice: Choice
    base: Mapping[str, str]
    bench: Callable[[], Workbench]
    _made: list[tuple[System, Workbench]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def key(self) -> str:
        """Names what the system is made of, without making it."""
        has_jupyter = self.choice.manifest.services.jupyter is not None
        dockerfile = system_dockerfile(self.choice.packages, jupyter=has_jupyter, bootstrapped=False)
        return key_of({"dockerfile": dockerfile, "base": dict(self.base)})

    def run(self, command: str, files: Tree, store: Store) -> Tree:
        with self._lock:  # datasets are made side by side, and one system is enough
            if not self._made:
                bench = self.bench()
                self._made.append((system_of(self.choice, self.base, bench), bench))
        system, bench = self._made[0]
        return run_command(command, files, system, bench)
