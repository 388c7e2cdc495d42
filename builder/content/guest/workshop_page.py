"""Jupyter server extension: the workshop's folder at `/workshop/`, behind the token.

Jupyter's own `/files/` puts pages into a sandbox in which slides and browser demos cannot load their scripts. These
pages come with the workshop, whose notebooks run code here anyway, so they are served as plain pages.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from jupyter_server.base.handlers import AuthenticatedFileHandler
from jupyter_server.utils import url_path_join
from tornado import web


class WorkshopFiles(AuthenticatedFileHandler):
    """A file below the workshop's root: no listing, nothing hidden, nothing outside."""

    @property
    def content_security_policy(self) -> str:
        policy: str = super(AuthenticatedFileHandler, self).content_security_policy
        return policy

    def check_referer(self) -> bool:
        """Bookmarks and typed addresses have no Referer. A page is no use to another site's script; of everything else
        the browser says which site asks for it."""
        is_page = self.request.path.endswith(("/", ".html"))
        if is_page or self.request.headers.get("Sec-Fetch-Site") in ("none", "same-origin"):
            return True
        return bool(super().check_referer())

    def set_headers(self) -> None:
        super().set_headers()
        self.set_header("Cache-Control", "no-cache")  # a page may change; its Etag saves sending it again

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        asked = self.path_args[0]
        if "\0" in asked or any(part.startswith(".") for part in asked.split("/")):
            raise web.HTTPError(404)
        real_root = os.path.realpath(root)
        if os.path.commonpath([real_root, os.path.realpath(absolute_path)]) != real_root:
            raise web.HTTPError(404)
        path: str | None = super().validate_absolute_path(root, absolute_path)
        return path


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "workshop_page"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    base = serverapp.web_app.settings["base_url"]
    options = {"path": serverapp.root_dir, "default_filename": "index.html"}
    serverapp.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "workshop"), web.RedirectHandler, {"url": url_path_join(base, "workshop/")}),
            (url_path_join(base, r"workshop/(.*)"), WorkshopFiles, options),
        ],
    )
    serverapp.io_loop.add_callback(_announce, serverapp)


def _announce(serverapp: Any) -> None:
    """Print the address once it answers: extensions may be loaded before the port is bound."""
    try:
        socket.create_connection(("127.0.0.1", serverapp.port), timeout=1).close()
    except OSError:
        serverapp.io_loop.call_later(0.05, _announce, serverapp)
        return
    token = serverapp.identity_provider.token
    print(f"The workshop is ready: http://127.0.0.1:{serverapp.port}/?token={token}", flush=True)
