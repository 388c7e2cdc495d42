"""The image config: what the base says is kept, what the workshop says wins, nothing of this machine is in it."""

import json
import socket

from images import HEALTH, runtime

from builder.image.config import Runtime, image_config
from builder.store.layers import Layer

BASE = {
    "created": "2020-02-02T02:02:02Z",
    "history": [{"created_by": "RUN secret"}],
    "config": {
        "Env": ["PATH=/usr/bin", "LANG=C"],
        "Entrypoint": ["/init"],
        "Cmd": ["--all"],
        "Labels": {"a": "base", "b": "base"},
        "Hostname": "builder-7",
        "Volumes": {"/data": {}},
    },
}


def config(layers: tuple[Layer, ...], runtime: Runtime, base: object = None) -> dict:
    return json.loads(image_config(layers, runtime, base=base))


def test_what_the_workshop_says_is_all_there(layers: tuple[Layer, ...]) -> None:
    found = config(layers, runtime())
    assert found["config"] == {
        "Env": ["WORKSHOP=yes"],
        "Entrypoint": ["/bin/busybox"],
        "Cmd": ["cat", "/srv/workshop/repos/cnn/data/noise/readme.txt"],
        "User": "1000:100",
        "WorkingDir": "/srv/workshop",
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": {"org.opencontainers.image.title": "Test"},
        "Healthcheck": HEALTH.to_json(),
    }
    assert found["rootfs"]["diff_ids"] == [str(layer.diff_id) for layer in layers]
    assert found["history"] == [
        {"created": "1980-01-01T00:00:00Z", "created_by": "dataset one"},
        {"created": "1980-01-01T00:00:00Z", "created_by": "dataset two"},
    ]


def test_the_base_is_built_on(layers: tuple[Layer, ...]) -> None:
    found = config(layers, Runtime(env={"LANG": "C.UTF-8"}, labels={"b": "own"}), BASE)
    assert found["config"] == {
        "Env": ["LANG=C.UTF-8", "PATH=/usr/bin"],
        "Entrypoint": ["/init"],
        "Cmd": ["--all"],
        "Labels": {"a": "base", "b": "own"},
    }


def test_an_entry_point_of_our_own_does_not_get_the_bases_arguments(layers: tuple[Layer, ...]) -> None:
    assert "Cmd" not in config(layers, Runtime(entrypoint=["/start"]), BASE)["config"]


def test_no_build_log_time_or_host_of_the_base_or_this_machine_is_in_it(layers: tuple[Layer, ...]) -> None:
    text = image_config(layers, runtime(), base=BASE).decode()
    for word in ("secret", "2020", "builder-7", socket.gethostname()):
        assert word not in text
