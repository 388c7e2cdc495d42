"""A store and an output folder for each test."""

from pathlib import Path

import pytest
from small_appliance import Bench

from builder.store.objects import Store


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Store(tmp_path / "store"), tmp_path / "out")
