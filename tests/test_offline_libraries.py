"""Libraries in an image without network find what cards say they find: the real ones, in one image built for all."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
import types
import zlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from dockerd import client

ROOT = Path(__file__).parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MANIFEST = """\
workshop: offline-libraries
base: {debian: bookworm}
packages: {python: [gensim, huggingface_hub, jax, kagglehub, keras, nltk, scikit-learn, transformers]}
services: {}
repos:
  lab: {path: lab, data: {data/models: models}}
profiles:
  default: {outputs: [docker]}
"""
CARD = f"""\
title: Small stand-ins for large models
licence: CC0-1.0
files: [{{file: models}}]
caches:
  keras: {{models: weights/*.h5, datasets: "*.npz"}}
  huggingface: {{repo: owner/name, type: model, revision: {COMMIT}, files: [config.json, deep]}}
  kagglehub: {{dataset: owner/name, version: 3, files: weights}}
  nltk: corpora
  sklearn: "*.pkz"
  spacy: [en_model, en_model-1.0.dist-info]
  gensim: [information.json, vectors]
"""
DIGITS = b"not really digits"
ASKED = {
    "gensim": "import gensim.downloader as api; assert api.load('vectors') == 'loaded'",
    "huggingface_hub": (
        "from huggingface_hub import hf_hub_download, snapshot_download\n"
        "import pathlib\n"
        "assert pathlib.Path(hf_hub_download('owner/name', 'deep/model.safetensors')).read_bytes() == b'tensors'\n"
        "folder = pathlib.Path(snapshot_download('owner/name'))\n"
        "assert (folder / 'config.json').exists() and (folder / 'deep/model.safetensors').exists()"
    ),
    "transformers": (
        "from transformers import AutoConfig\nassert AutoConfig.from_pretrained('owner/name').model_type == 'bert'"
    ),
    "the hub's own list of what is cached": (
        "from huggingface_hub import scan_cache_dir\n"
        "found = scan_cache_dir(); assert not found.warnings, found.warnings\n"
        "assert [repo.repo_id for repo in found.repos] == ['owner/name'] and found.size_on_disk > 0"
    ),
    "kagglehub": (
        "import kagglehub, pathlib\n"
        "folder = pathlib.Path(kagglehub.dataset_download('owner/name/versions/3'))\n"
        "assert (folder / 'weights/net.h5').read_bytes() == b'weights'"
    ),
    "keras": (
        "import keras, pathlib\n"
        f"digest = '{hashlib.sha256(DIGITS).hexdigest()}'\n"
        "path = keras.utils.get_file('mnist.npz', 'https://example.org/mnist.npz', file_hash=digest)\n"
        f"assert pathlib.Path(path).read_bytes() == {DIGITS!r}\n"
        "path = keras.utils.get_file('net.h5', 'https://example.org/net.h5', cache_subdir='models')\n"
        "assert pathlib.Path(path).read_bytes() == b'weights'"
    ),
    "nltk": "from nltk.corpus import words; assert words.words() == ['ape', 'bee']",
    "scikit-learn": (
        "from sklearn.datasets import fetch_20newsgroups\n"
        "assert fetch_20newsgroups(subset='train', shuffle=False).data == ['a letter']"
    ),
    "a model installed as spaCy's are": (
        "import en_model, importlib.metadata\n"
        "assert importlib.metadata.version('en_model') == '1.0' and en_model.load() == 'vocabulary'"
    ),
}

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("docker_engine")]


def newsgroups() -> bytes:
    """What scikit-learn keeps of its newsgroups, without scikit-learn."""

    class Bunch(dict[str, object]):
        __module__ = "sklearn.utils._bunch"
        __qualname__ = "Bunch"

    module = types.ModuleType("sklearn.utils._bunch")
    module.Bunch = Bunch  # type: ignore[attr-defined]
    part = Bunch(data=["a letter"], target=[0], target_names=["letters"], filenames=["1"])
    with mock.patch.dict(sys.modules, dict.fromkeys(("sklearn", "sklearn.utils", "sklearn.utils._bunch"), module)):
        return zlib.compress(pickle.dumps({"train": part, "test": part}))


def write_workshop(folder: Path) -> Path:
    info = {"corpora": {}, "models": {"vectors": {"file_name": "vectors.gz", "parts": 1}}}
    models = {
        "mnist.npz": DIGITS,
        "weights/net.h5": b"weights",
        "config.json": b'{"model_type": "bert"}',
        "deep/model.safetensors": b"tensors",
        "corpora/words/en": b"ape\nbee\n",
        "20news-bydate_py3.pkz": newsgroups(),
        "en_model/__init__.py": b"from pathlib import Path\n"
        b"def load(): return (Path(__file__).resolve().parent / 'vocab').read_text()\n",
        "en_model/vocab": b"vocabulary",
        "en_model-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: en_model\nVersion: 1.0\n",
        "information.json": json.dumps(info).encode(),
        "vectors/__init__.py": b"def load_data(): return 'loaded'\n",
        "vectors/vectors.gz": b"vectors",
    }
    files = {f"models/{path}": data for path, data in models.items()}
    files |= {"manifest.yaml": MANIFEST.encode(), "datasets/models.yaml": CARD.encode(), "lab/lab.py": b""}
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder / "manifest.yaml"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, docker_engine: str | None) -> Iterator[str]:
    """The loaded image's name."""
    folder = tmp_path_factory.mktemp("offline")
    words = ["build", "--yes", "--json", "--manifest", str(write_workshop(folder)), "--out", str(folder / "out")]
    built = subprocess.run(
        [sys.executable, ROOT / "build.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    [output] = json.loads(built.stdout)["outputs"]
    docker = client()
    assert docker
    subprocess.run([docker, "load", "-i", output["path"]], capture_output=True, check=True)
    yield "offline-libraries:0"
    subprocess.run([docker, "rmi", "--force", "offline-libraries:0"], capture_output=True, check=True)


def asked(image: str, script: str, *options: str) -> None:
    words = [client() or "docker", "run", "--rm", "--network", "none", "--env", "KERAS_BACKEND=jax", *options, image]
    ran = subprocess.run([*words, "python", "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("library", ASKED)
def test_a_library_finds_its_files_without_network(image: str, library: str) -> None:
    asked(image, ASKED[library])


@pytest.mark.parametrize("library", ASKED)
def test_a_library_finds_its_files_as_another_user_with_another_home(image: str, library: str) -> None:
    asked(image, ASKED[library], "--user", "5000:100", "--tmpfs", "/home/workshop:mode=1777")


def test_a_library_finds_its_files_from_the_home_without_any_variable(image: str) -> None:
    unset = "import os\nfor name in ('HF_HOME', 'KERAS_HOME', 'SCIKIT_LEARN_DATA'): del os.environ[name]\n"
    for library in ("huggingface_hub", "keras", "scikit-learn"):
        asked(image, unset + ASKED[library])
