"""The parts in a row: prepared content and a system become an image and an appliance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder import places
from builder.appliance.appliance import Appliance, build_appliance
from builder.appliance.grains import FAST, SMALL
from builder.appliance.ovf import ApplianceSpec, Port
from builder.content import libraries, settings
from builder.content.layout import Content, is_written
from builder.content.published import write_published
from builder.content.remote_login import remote_login
from builder.digest import Digest
from builder.image.archive import write_archive
from builder.image.config import Healthcheck, Runtime
from builder.image.layer import content_layer, files_layer
from builder.image.oci import Image, compose, write_layout
from builder.manifest.licences import all_of
from builder.manifest.workshop import Choice
from builder.preparation import Job, Prepared, bench_of
from builder.progress import Journal
from builder.store.layers import Layer
from builder.store.objects import Store
from builder.system.build import build_appliance_system
from builder.system.system import System
from builder.system.workplace import system_of

SSH_GUEST_PORT = 22
WORDS = {places.DATA: "dataset", places.REPOS: "repo", places.CACHES: "cache"}
"""What a folder below the root holds, as its layer says it."""


@dataclass(frozen=True)
class Made:
    """An output: its kind, place, digest and size in bytes; `unpacked` is what an appliance takes once imported."""

    kind: str
    path: Path
    digest: Digest
    bytes: int
    unpacked: int = 0


def make(job: Job, ready: Prepared, out: Path) -> tuple[Made, ...]:
    """Make a profile's outputs in `out`; each appears whole or not at all."""
    made: list[Made] = []
    if set(ready.choice.outputs) != {"updates"}:
        made += _with_system(job, ready, out)
    if "updates" in ready.choice.outputs:
        made.append(_updates(ready.choice, ready.content, job, out))
    job.store.settle()
    return tuple(made)


def _with_system(job: Job, ready: Prepared, out: Path) -> list[Made]:
    choice = ready.choice
    bench = bench_of(job)
    system = system_of(choice, ready.lock.base, bench)
    made: list[Made] = []
    if {"oci", "docker"} & set(choice.outputs):
        made += _images(choice, image_of(choice, ready.content, system, job.store, job.journal), job, out)
    if "ova" in choice.outputs:
        made.append(
            _appliance(choice, ready.content, build_appliance_system(system, bench, ssh=_has_ssh(choice)), job, out)
        )
    return made


def output_name(choice: Choice) -> str:
    """What a profile's outputs are called, before their endings."""
    workshop = choice.manifest.workshop
    return workshop if choice.profile == "default" else f"{workshop}-{choice.profile}"


def image_name(choice: Choice) -> str:
    """The name and tag under which engines know the image."""
    return f"{output_name(choice)}:{choice.manifest.version}"


def jupyter_port(choice: Choice) -> int | None:
    jupyter = choice.manifest.services.jupyter
    return jupyter.port if jupyter else None


def _has_ssh(choice: Choice) -> bool:
    return choice.manifest.services.ssh is not None


def image_of(choice: Choice, content: Content, system: System, store: Store, journal: Journal) -> Image:
    """The image of a choice: the system, a layer for each dataset and each repo, then caches, settings and page."""
    layers = list(system.layers)
    for folder, tree in content.guest_folders().items():
        kind, _, name = folder.partition("/")
        note = f"{WORDS[kind]} {name}" if name else "originals"
        with journal.stage(f"layer {note}") as stage:
            place = f"{places.ROOT}/{folder}"
            if is_written(folder):
                layer = content_layer(tree, place, store, uid=places.UID, gid=places.GID, writable=True, note=note)
            else:
                layer = content_layer(tree, place, store, note=note)
            stage.bytes_in, stage.bytes_out = tree.size, layer.blob.size
            layers.append(layer)
    layers += [*_home_layers(choice, store), _settings_layer(choice, content, store)]
    with journal.stage("image") as stage:
        image = compose(layers, _runtime(choice), store, base={"config": dict(system.config)})
        stage.bytes_out = image.size
    return image


def _settings_layer(choice: Choice, content: Content, store: Store) -> Layer:
    page = {f"{places.ROOT}/{places.PAGE}": (content.page, 0o644)}
    return files_layer({**_settings(choice), **page}, store, note="settings and landing page")


def _settings(choice: Choice) -> dict[str, tuple[bytes, int]]:
    return dict(settings.settings(jupyter_port(choice), _variables(choice)))


def _variables(choice: Choice) -> dict[str, str]:
    return libraries.variables(choice.datasets)


def _home_layers(choice: Choice, store: Store) -> tuple[Layer, ...]:
    """The links in the home that lead libraries to the caches; no layer where there are none."""
    tree = libraries.home_links(choice.datasets)
    if not tree.entries:
        return ()
    note = "links in the home"
    return (content_layer(tree, places.HOME, store, uid=places.UID, gid=places.GID, writable=True, note=note),)


def _runtime(choice: Choice) -> Runtime:
    port = jupyter_port(choice)
    return Runtime(
        env={**settings.environment(port, _variables(choice)), "HOME": f"/{places.HOME}"},
        entrypoint=(f"/{settings.START}",) if port else (),
        command=() if port else ("/bin/bash",),
        user=f"{places.UID}:{places.GID}",
        folder=f"/{places.ROOT}",
        ports=(port,) if port else (),
        labels=_labels(choice),
        healthcheck=Healthcheck((f"/{settings.HEALTH}",)) if port else None,
    )


def _labels(choice: Choice) -> dict[str, str]:
    """OCI's pre-defined annotation keys (image specification 1.1, annotations.md)."""
    manifest = choice.manifest
    said = {
        "title": manifest.title,
        "version": manifest.version,
        "description": manifest.description,
        "licenses": licences(choice),
    }
    labels = {f"org.opencontainers.image.{key}": value for key, value in said.items() if value}
    for name, card in choice.datasets.items():
        labels[f"workshop.dataset.{name}.licence"] = card.licence
        if card.citation:
            labels[f"workshop.dataset.{name}.citation"] = card.citation
    return {**labels, "workshop.private": "true"} if choice.private else labels


def licences(choice: Choice) -> str:
    """The licences of all datasets, as one SPDX expression."""
    return all_of(card.licence for card in choice.datasets.values())


def _images(choice: Choice, image: Image, job: Job, out: Path) -> list[Made]:
    made = []
    if "oci" in choice.outputs:
        with job.journal.stage("oci") as stage:
            folder = out / f"{output_name(choice)}.oci"
            manifest = write_layout(image, folder, job.store, choice.manifest.version)
            stage.bytes_out = image.size
        made.append(Made("oci", folder, manifest.digest, image.size))
    if "docker" in choice.outputs:
        with job.journal.stage("docker") as stage:
            path = out / f"{output_name(choice)}.tar"
            archive = write_archive(image, path, job.store, [image_name(choice)])
            stage.bytes_out = archive.size
        made.append(Made("docker", path, archive.digest, archive.size))
    return made


def _appliance(choice: Choice, content: Content, system: System, job: Job, out: Path) -> Made:
    own = {**_settings(choice), **_remote_login(choice)}
    layers = (*system.layers, *_home_layers(choice, job.store))
    spec, deflater = appliance_spec(choice), FAST if job.is_fast else SMALL
    built: Appliance = build_appliance(layers, own, content, spec, job.store, job.journal, out, deflater)
    return Made("ova", built.path, built.digest, built.bytes, built.unpacked)


def _updates(choice: Choice, content: Content, job: Job, out: Path) -> Made:
    with job.journal.stage("updates") as stage:
        folder = out / f"{output_name(choice)}.updates"
        published = write_published(content, folder, job.store)
        stage.bytes_out = published.size
    return Made("updates", folder, published.digest, published.size)


def _remote_login(choice: Choice) -> dict[str, tuple[bytes, int]]:
    ssh = choice.manifest.services.ssh
    if ssh is None:
        return {}
    return remote_login(ssh.authorized_keys, settings.environment(jupyter_port(choice), _variables(choice)))


def appliance_spec(choice: Choice) -> ApplianceSpec:
    """What the manifest says of the virtual machine, in the appliance's words."""
    manifest = choice.manifest
    port, ssh = jupyter_port(choice), manifest.services.ssh
    ports = {"jupyter": Port(port, port)} if port else {}
    if ssh:
        ports["ssh"] = Port(ssh.port, SSH_GUEST_PORT)
    machine = manifest.appliance
    return ApplianceSpec(
        output_name(choice), manifest.title, manifest.version, manifest.description, licences(choice),
        machine.cpus, machine.memory, machine.room, ports,
    )  # fmt: skip
