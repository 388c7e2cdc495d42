"""Jupyter for a room: one token, no questions, nothing asked of the network, the landing page first."""

import os
import shutil
import sys

PREFIX = os.environ.get("WORKSHOP_PREFIX", "")
sys.path.insert(0, f"{PREFIX}/usr/local/lib/workshop")

c = get_config()  # noqa: F821  # given by traitlets

c.ServerApp.ip = "0.0.0.0"  # inside; the ports are published on 127.0.0.1 outside
c.ServerApp.port = int(os.environ["WORKSHOP_PORT"])
c.ServerApp.port_retries = 0
c.ServerApp.root_dir = f"{PREFIX}/srv/workshop"
c.ServerApp.default_url = c.LabApp.default_url = "/workshop/"
c.ServerApp.open_browser = False
c.ServerApp.allow_remote_access = True
c.ServerApp.allow_root = True
c.ServerApp.quit_button = False
c.ServerApp.log_level = c.LabApp.log_level = "WARN"
c.ServerApp.terminals_enabled = True
c.ServerApp.terminado_settings = {"shell_command": [shutil.which("bash") or "/bin/sh"]}
c.ServerApp.jpserver_extensions = {"workshop_page": True}
c.FileContentsManager.delete_to_trash = False  # a trash can on another file system makes deleting fail

c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.extension_manager = "readonly"  # the other one asks the package index
