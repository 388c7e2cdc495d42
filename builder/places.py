"""Where things stand inside every image and appliance, who owns them, and when they were made."""

ROOT = "srv/workshop"
"""Holds `data/<dataset>/…`, `repos/<repo>/…`, `caches/<library>/…` and `index.html`; as in a local tree."""

DATA = "data"
REPOS = "repos"
CACHES = "caches"
PAGE = "index.html"
ENVIRONMENT = "environment.sh"
"""In a local tree: what tells a shell where libraries find data. Guests have it in their environment."""
VENV = "opt/workshop/venv"
SETTINGS = "etc/workshop"
USER = "workshop"
HOME = "home/workshop"
UID = 1000
GID = 100
EPOCH = 315532800
"""1980-01-01T00:00:00Z, in seconds: the earliest time a zip can hold, on every file this project writes."""
