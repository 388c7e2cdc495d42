"""A system: the operating system and language environment of a workshop, as layers in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.store.layers import Layer
from builder.store.objects import Store


@dataclass(frozen=True)
class System:
    """Layers from the lowest up, the image settings that go with them (`Env`), and the key of its inputs."""

    layers: tuple[Layer, ...]
    config: Mapping[str, Any]
    key: str

    @property
    def size(self) -> int:
        """Bytes of all layers as they are stored."""
        return sum(layer.blob.size for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        return {"layers": [layer.to_json() for layer in self.layers], "config": dict(self.config)}


def recall_system(kind: str, key: str, store: Store) -> System | None:
    """A system made before from the same inputs, if all of its layers are still in the store."""
    raw = store.recall(kind, key)
    if raw is None:
        return None
    layers = tuple(Layer.from_json(one) for one in raw["layers"])
    if not all(store.has(layer.blob.digest) for layer in layers):
        return None
    return System(layers, raw["config"], key)
