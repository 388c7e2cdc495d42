"""A recipe followed: each step remembered by what it was given, so that a changed step repeats none before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from builder.digest import Digest, key_of
from builder.errors import BuilderError, IntegrityError, SourceError
from builder.manifest import Step
from builder.sources.steps import taken
from builder.store.objects import Store
from builder.store.trees import Tree, get_tree, put_tree


class Runner(Protocol):
    """Runs commands in the workshop's own system, which is made when the first of them runs."""

    @property
    def key(self) -> str:
        """Names what the system is made of."""
        ...

    def run(self, command: str, files: Tree, store: Store) -> Tree:
        """What a command leaves in a folder with these files. Raises BuilderError when it fails."""
        ...


def follow(
    recipe: Sequence[Step], given: Digest, bring: Callable[[], Tree], store: Store, runner: Runner | None = None
) -> Tree:
    """The tree that a recipe makes, whole in the store.

    `given` is the digest of the tree it starts from, which `bring` brings into the store: only called when nothing
    that was made of it before will do.
    """
    known = _known(recipe, given, store, runner)
    done, tree = _latest(known, store) or (0, bring())
    for place, step in enumerate(recipe[done:], done):
        where = f"recipe[{place}].{step.kind}"
        key = _key(tree.digest, step, runner)
        before = store.recall("step", key)
        tree = _taken(step, where, tree, store, runner)
        if step.run is not None and before not in (None, tree.digest.hex):
            raise _unlike(where, Digest(before), tree.digest)
        put_tree(tree, store)
        store.remember("step", key, tree.digest.hex)
    return tree


def whole_tree(digest: Digest, store: Store) -> Tree | None:
    """A tree of the store, if all of its files are there too."""
    tree = get_tree(digest, store) if store.has(digest) else None
    return None if tree is None or tree.missing(store) else tree


def _known(recipe: Sequence[Step], given: Digest, store: Store, runner: Runner | None) -> list[Digest]:
    """The digests of what is given and of what steps made of it before, as far as the records say."""
    digests = [given]
    for step in recipe:
        made = store.recall("step", _key(digests[-1], step, runner))
        if made is None:
            break
        digests.append(Digest(made))
    return digests


def _latest(known: list[Digest], store: Store) -> tuple[int, Tree] | None:
    for place in range(len(known) - 1, 0, -1):
        tree = whole_tree(known[place], store)
        if tree is not None:
            return place, tree
    return None


def _key(tree: Digest, step: Step, runner: Runner | None) -> str:
    system = runner.key if step.run is not None and runner is not None else None
    return key_of({"tree": tree.hex, "step": step.inputs(), "system": system})


def _taken(step: Step, where: str, tree: Tree, store: Store, runner: Runner | None) -> Tree:
    try:
        if step.run is None:
            return taken(step, tree, store)
        if runner is None:
            raise SourceError("there is no system to run it in")
        return runner.run(step.run, tree, store)
    except BuilderError as error:
        raise type(error)(f"{where}: {error.message}", hint=error.hint, where=error.where) from error


def _unlike(where: str, expected: Digest, received: Digest) -> IntegrityError:
    return IntegrityError(
        f"{where}: the command made other files than before of the same ones: expected the tree {expected}, received "
        f"{received}; not used",
        hint="let it depend on nothing but its files: no time, no random numbers without a seed",
    )
