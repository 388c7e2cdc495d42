"""Libraries that look for models and data they would else download, and how each is told where.

Each has a folder below `caches/`, named to it by a variable, so that it is found whichever home is mounted and whoever
runs. In the home a link stands where the library looks without the variable. Some are led to the datasets themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from builder import places
from builder.content.settings import OFFLINE
from builder.manifest import Card
from builder.store.trees import Entry, Tree

Cards = Mapping[str, Card]


@dataclass(frozen=True)
class Library:
    """What people call it, the variable that names its folder, and where in the home it looks without one.

    `needs` is a pattern of which one file at least must be there, for a reason. `is_written` says that the attendee may
    write to the folder: some libraries keep locks there, or pass over a folder that they cannot write to, while others
    distrust one that somebody can. `is_direct` says that the variable takes several folders and gets the datasets'
    own: NLTK follows no link out of its folder, and Python needs none.
    """

    title: str
    variable: str
    home: str = ""
    is_written: bool = False
    is_direct: bool = False
    needs: str = ""
    reason: str = ""


LIBRARIES = {
    "gensim": Library(
        "gensim",
        "GENSIM_DATA_DIR",
        "gensim-data",
        needs="information.json",
        reason="without network it reads its list there",
    ),
    "huggingface": Library("Hugging Face", "HF_HOME", ".cache/huggingface", is_written=True),
    "kagglehub": Library("kagglehub", "KAGGLEHUB_CACHE", ".cache/kagglehub", is_written=True),
    "keras": Library("Keras", "KERAS_HOME", ".keras", is_written=True),
    "nltk": Library("NLTK", "NLTK_DATA", is_direct=True, needs="*/*", reason="it looks for corpora/…, tokenizers/…"),
    "sklearn": Library("scikit-learn", "SCIKIT_LEARN_DATA", "scikit_learn_data"),
    "spacy": Library(
        "spaCy", "PYTHONPATH", is_direct=True, needs="*.dist-info/METADATA", reason="it looks for an installed package"
    ),
    "tfds": Library(
        "TensorFlow Datasets",
        "TFDS_DATA_DIR",
        "tensorflow_datasets",
        needs="*/dataset_info.json",
        reason="it reads how data is kept there",
    ),
    "torch": Library("torch.hub", "TORCH_HOME", ".cache/torch", is_written=True),
}


def users_of(library: str, cards: Cards) -> list[str]:
    """The datasets that have files for a library, in order of name."""
    return [name for name, card in sorted(cards.items()) if card.caches and library in card.caches.model_fields_set]


def libraries_of(cards: Cards) -> list[str]:
    """Which libraries these datasets have files for, in order."""
    return [library for library in LIBRARIES if users_of(library, cards)]


def variables(cards: Cards, root: str = f"/{places.ROOT}") -> dict[str, str]:
    """What tells libraries where to look; `root` is the folder that datasets and caches stand in."""
    found = {}
    for name in libraries_of(cards):
        library = LIBRARIES[name]
        folders = [f"{places.DATA}/{dataset}" for dataset in users_of(name, cards)]
        folders = folders if library.is_direct else [f"{places.CACHES}/{name}"]
        found[library.variable] = ":".join(f"{root}/{folder}" for folder in folders)
    return found


def home_links(cards: Cards) -> Tree:
    """What stands in the attendee's home for them."""
    found = [(LIBRARIES[name].home, name) for name in libraries_of(cards) if LIBRARIES[name].home]
    return Tree.of(Entry(home, target=f"/{places.ROOT}/{places.CACHES}/{name}") for home, name in found)


def environment_script(cards: Cards) -> bytes:
    """The variables for a local tree, whose place only the shell knows; nothing when no library is to be told."""
    found = variables(cards, "$PWD")
    lines = [f"# For a shell in this folder:  . ./{places.ENVIRONMENT}"] if found else []
    lines += [f'export {name}="{value}"' for name, value in sorted(found.items())]
    lines += [f"export {name}={value}" for name, value in sorted(OFFLINE.items())] if found else []
    return "".join(f"{line}\n" for line in lines).encode()
