"""The doctor: what a workshop needs and only that, as table and as JSON, exit code 9 when something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder import cli, doctor
from builder.doctor import MISSING, Fact, Wish, examine, needs_of, remedies, require, wish_of
from builder.errors import EngineError
from builder.manifest.workshop import load
from builder.programs import APPLIANCE, APT, BOOTSTRAP, BUILDAH, GIT, NPM, REGISTRY

NOTHING = Wish(outputs=frozenset(), kinds=frozenset(), bootstraps=False, pulls=False)


@pytest.mark.parametrize(
    ("wish", "has_docker", "needs"),
    [
        (Wish(), False, {BUILDAH, BOOTSTRAP, REGISTRY, APPLIANCE, GIT, NPM, APT}),
        (Wish(frozenset({"docker"}), frozenset({"path"}), pulls=False), True, {BOOTSTRAP}),
        (Wish(frozenset({"docker"}), frozenset({"git"}), False), False, {BUILDAH, GIT, REGISTRY}),
        (Wish(frozenset({"oci"}), frozenset(), False, "buildah", False), True, {BUILDAH}),
        (Wish(frozenset({"oci"}), frozenset(), False, "docker", False), False, set()),
        (NOTHING, False, set()),
    ],
)
def test_only_what_the_outputs_and_sources_ask_for_is_needed(
    wish: Wish, has_docker: bool, needs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "is_root", lambda: True)
    assert needs_of(wish, has_docker=has_docker) == needs
    monkeypatch.setattr(doctor, "is_root", lambda: False)
    assert needs_of(wish, has_docker=has_docker) - {"rootless"} == needs


def test_the_json_has_the_facts_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = cli.main(["doctor", "--store", str(tmp_path / "store")])
    table = capsys.readouterr().out
    assert cli.main(["doctor", "--json", "--store", str(tmp_path / "store")]) == code
    value = json.loads(capsys.readouterr().out)
    assert value["ok"] is (code == 0)
    assert code == (9 if any(fact["state"] == MISSING for fact in value["facts"]) else 0)
    for fact in value["facts"]:
        assert fact["name"] in table
        assert set(fact) == {"name", "state", "purpose", "found", "remedy"}
    assert str(tmp_path / "store") in table
    assert not (tmp_path / "store").exists()


def test_a_machine_with_nothing_is_told_what_to_install_and_the_exit_code_is_9(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "apt-get").write_text("#!/bin/false\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["doctor", "--json"]) == 9
    value = json.loads(capsys.readouterr().out)
    assert value["error"]["kind"] == "missing-program"
    states = {fact["name"]: fact["state"] for fact in value["facts"]}
    assert (states["git"], states["buildah"], states["mmdebstrap"]) == (MISSING, MISSING, MISSING)
    assert "git" in value["commands"][0].split()
    assert "mmdebstrap" in value["commands"][0].split()


def test_a_profile_that_needs_little_asks_for_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["doctor", "--json", "--manifest", str(small_manifest(tmp_path))])
    value = json.loads(capsys.readouterr().out)
    names = {fact["name"] for fact in value["facts"]}
    assert value["warnings"] == []
    assert names & {"git", "npm", "mmdebstrap", "mke2fs", "GRUB for BIOS"} == set()


def test_a_store_that_cannot_be_written_or_is_nearly_full_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "ROOM", 10**18)
    facts = {fact.name: fact for fact in examine(NOTHING, tmp_path / "not" / "yet")}
    assert facts["store"].state == MISSING
    assert "--store DIR" in facts["store"].remedy


def test_remedies_are_one_installation_and_then_the_rest() -> None:
    facts = (
        Fact("git", MISSING, "", "", "x"),
        Fact("npm", MISSING, "", "", "y"),
        Fact("user namespaces", MISSING, "", "", "sudo sysctl -w a=1"),
        Fact("KVM", "not here", ""),
    )
    first, second = remedies(facts)
    assert first.endswith("git npm")
    assert second == "sudo sysctl -w a=1"


def test_a_user_without_root_and_without_ids_for_an_image_is_told_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "is_root", lambda: False)
    monkeypatch.setattr(doctor, "ensure", lambda needs, **_: None)
    monkeypatch.setattr(doctor.os, "getuid", lambda: 54321)
    monkeypatch.setenv("LOGNAME", "nobody-knows")
    facts = {fact.name: fact for fact in examine(NOTHING, tmp_path)}
    assert facts["/etc/subuid"].state == MISSING
    choice = load(small_manifest(tmp_path)).choose()
    with pytest.raises(EngineError, match="nobody-knows cannot build without root") as caught:
        require(choice, "buildah", yes=False, tell=lambda text: None)
    assert "usermod --add-subuids 100000-165535 nobody-knows" in caught.value.hint


def test_skopeo_is_needed_for_a_base_in_a_registry_only(tmp_path: Path) -> None:
    manifest = small_manifest(tmp_path)
    assert REGISTRY not in needs_of(wish_of(load(manifest).choose()), has_docker=False)
    manifest.write_text(manifest.read_text().replace("oci:base", "debian:bookworm"))
    assert REGISTRY in needs_of(wish_of(load(manifest).choose()), has_docker=False)


def small_manifest(folder: Path) -> Path:
    (folder / "notebooks").mkdir()
    manifest = folder / "manifest.yaml"
    manifest.write_text(
        "workshop: small\ntitle: Small\nversion: '1'\nbase: {image: 'oci:base'}\n"
        "repos: {notebooks: {path: notebooks}}\nprofiles: {default: {outputs: [oci]}}\n"
    )
    return manifest
