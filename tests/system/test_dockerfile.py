"""The Dockerfiles, word for word. After a wanted change: WORKSHOP_GOLDEN=write pytest tests/system"""

import os
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from builder.manifest.packages import Packages
from builder.system import dockerfile
from builder.system.dockerfile import appliance_dockerfile, system_dockerfile

GOLDEN = Path(__file__).parent / "golden"
EVERYTHING = Packages(system=("git", "graphviz"), python=("numpy>=2,<3", "scikit-learn"), npm=("reveal.js@5.1.0",))

RENDERED = {
    "everything.Dockerfile": system_dockerfile(EVERYTHING, jupyter=True, bootstrapped=True),
    "nothing.Dockerfile": system_dockerfile(Packages(), jupyter=False, bootstrapped=True),
    "on-image.Dockerfile": system_dockerfile(Packages(), jupyter=True, bootstrapped=False),
    "appliance.Dockerfile": appliance_dockerfile(ssh=False),
    "appliance-ssh.Dockerfile": appliance_dockerfile(ssh=True),
}


@pytest.mark.parametrize("name", RENDERED)
def test_a_dockerfile_is_rendered_word_for_word(name: str) -> None:
    if os.environ.get("WORKSHOP_GOLDEN") == "write":
        (GOLDEN / name).write_text(RENDERED[name])
    assert RENDERED[name] == (GOLDEN / name).read_text()


def test_packages_in_another_order_give_the_same_dockerfile() -> None:
    turned = Packages(system=("graphviz", "git"), python=("scikit-learn", "numpy>=2,<3"), npm=("reveal.js@5.1.0",))
    assert system_dockerfile(turned, jupyter=True, bootstrapped=True) == RENDERED["everything.Dockerfile"]


def test_a_version_of_jupyterlab_that_was_asked_for_is_the_one_installed() -> None:
    text = system_dockerfile(Packages(python=("JupyterLab<4.4",)), jupyter=True, bootstrapped=True)
    assert "'JupyterLab<4.4'" in text
    assert "      jupyterlab" not in text


def test_nothing_of_jupyter_is_installed_when_no_service_needs_it() -> None:
    assert "python3" not in RENDERED["nothing.Dockerfile"]
    assert "jupyter" not in RENDERED["nothing.Dockerfile"]


def test_ssh_is_installed_only_when_asked_for() -> None:
    assert "openssh-server" in RENDERED["appliance-ssh.Dockerfile"]
    assert "openssh-server" not in RENDERED["appliance.Dockerfile"]


def test_a_template_that_names_an_unknown_value_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "system.Dockerfile.j2").write_text("FROM {{ bsae }}\n")
    monkeypatch.setattr(dockerfile, "TEMPLATES", tmp_path)
    with pytest.raises(UndefinedError, match="bsae"):
        system_dockerfile(Packages(), jupyter=False, bootstrapped=True)
