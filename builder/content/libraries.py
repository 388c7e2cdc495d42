"""Libraries that look for models and data they would else download, and how each is told where.

Each has a folder below `caches/`, named to it by a variable, so that it is found whichever home is mounted and whoever
runs. In the home a link stands where the library looks without the variable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from builder import places
from builder.content.settings import OFFLINE
from builder.manifest import Card
from builder.store.trees import Entry, Tree


@dataclass(frozen=True)
class Library:
    """The variable that names a library's folder, and where in the home it looks without one.

    `needs` is a pattern of which one file at least must be there, for a reason. `is_written` says that the attendee may
    write to the folder: some libraries keep locks there, or pass over a folder that they cannot write to, while others
    distrust one that somebody can.
    """

    variable: str
    home: str = ""
    is_written: bool = False
    needs: str = ""
    reason: str = ""


LIBRARIES = {
    "gensim": Library(
        "GENSIM_DATA_DIR", "gensim-data", needs="information.json", reason="without network it reads its list there"
    ),
    "huggingface": Library("HF_HOME", ".cache/huggingface", is_written=True),
    "kagglehub": Library("KAGGLEHUB_CACHE", ".cache/kagglehub", is_written=True),
    "keras": Library("KERAS_HOME", ".keras", is_written=True),
    "nltk": Library("NLTK_DATA", "nltk_data", needs="*/*", reason="it looks for corpora/…, tokenizers/… and so on"),
    "sklearn": Library("SCIKIT_LEARN_DATA", "scikit_learn_data"),
    "spacy": Library("PYTHONPATH", needs="*.dist-info/METADATA", reason="it looks for an installed package"),
    "tfds": Library(
        "TFDS_DATA_DIR", "tensorflow_datasets", needs="*/dataset_info.json", reason="it reads how data is kept there"
    ),
    "torch": Library("TORCH_HOME", ".cache/torch", is_written=True),
}


def libraries_of(cards: Iterable[Card]) -> list[str]:
    """Which libraries these datasets have files for, in order."""
    return sorted({name for card in cards if card.caches for name in card.caches.model_fields_set})


def variables(libraries: Iterable[str], root: str = f"/{places.ROOT}") -> dict[str, str]:
    """What tells these libraries where to look; `root` is the folder that `caches` stands in."""
    return {LIBRARIES[name].variable: f"{root}/{places.CACHES}/{name}" for name in libraries}


def home_links(libraries: Iterable[str]) -> Tree:
    """What stands in the attendee's home for them."""
    found = [(LIBRARIES[name].home, name) for name in libraries if LIBRARIES[name].home]
    return Tree.of(Entry(home, target=f"/{places.ROOT}/{places.CACHES}/{name}") for home, name in found)


def environment_script(libraries: Iterable[str]) -> bytes:
    """The variables for a local tree, whose place only the shell knows."""
    lines = [f"# For a shell in this folder:  . ./{places.ENVIRONMENT}"]
    lines += [f'export {name}="{value}"' for name, value in sorted(variables(libraries, "$PWD").items())]
    lines += [f"export {name}={value}" for name, value in sorted(OFFLINE.items())]
    return "".join(f"{line}\n" for line in lines).encode()
