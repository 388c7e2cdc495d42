"""npm packages in a system: a repo's page or program finds them, and nothing says where they came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from contents import members_of

from builder.content.settings import environment
from builder.manifest.packages import Packages
from builder.progress import Journal
from builder.store.objects import Store
from builder.system.build import Workbench, build_debian_system
from builder.system.engine import Blueprint, Engine
from builder.system.layout import read_exported, take_layers, write_base

pytestmark = pytest.mark.slow

USED = """\
ARG BASE
FROM ${{BASE}}
USER 1000:100
WORKDIR /tmp
RUN he --encode '<a & b>' >printed
ENV NODE_PATH={modules}
RUN node --print 'require("he").decode("&lt;b&gt;")' >required
"""
MODULES = environment(None)["NODE_PATH"].removeprefix("/")


def test_an_npm_package_is_there_as_a_program_and_as_a_module(engine: Engine, store: Store, tmp_path: Path) -> None:
    bench = Workbench(engine, store, Journal(), tmp_path / "logs")
    system = build_debian_system("bookworm", Packages(npm=("he@1.2.0",)), bench, jupyter=False)
    files = members_of(system.layers, store)
    assert b'"version": "1.2.0"' in files[f"{MODULES}/he/package.json"].data
    left = [name for name in files if name.startswith(("root/.npm", "tmp/")) or name.endswith("/.package-lock.json")]
    assert left == []

    (tmp_path / "context").mkdir()
    write_base(system, tmp_path / "base", store)
    engine.build(
        Blueprint(USED.format(modules=f"/{MODULES}"), tmp_path / "context", tmp_path / "base"),
        tmp_path / "result",
        tmp_path / "used.log",
    )
    layers = take_layers(read_exported(tmp_path / "result"), system.layers, store, "used", 0)
    said = members_of(layers[len(system.layers) :], store)
    assert said["tmp/printed"].data.strip() == b"&#x3C;a &#x26; b&#x3E;"
    assert said["tmp/required"].data == b"<b>\n"


def test_an_npm_package_that_does_not_exist_is_named(engine: Engine, store: Store, tmp_path: Path) -> None:
    bench = Workbench(engine, store, Journal(), tmp_path / "logs")
    with pytest.raises(Exception, match=r"he@0\.0\.999"):
        build_debian_system("bookworm", Packages(npm=("he@0.0.999",)), bench, jupyter=False)
