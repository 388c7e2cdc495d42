"""What a workshop is: manifest, cards and profiles as strict models, and the lock; mistakes have file and line."""

from builder.manifest.caches import Caches, Hub
from builder.manifest.card import Card
from builder.manifest.file_spec import FileSpec
from builder.manifest.lock import Lock, Pin, changes, read_lock, write_lock
from builder.manifest.manifest import Manifest
from builder.manifest.packages import Packages
from builder.manifest.recipe import Step
from builder.manifest.repo import Repo
from builder.manifest.repo_workshop import FILES, RepoWorkshop, merge_repo
from builder.manifest.schema import card_schema, schema
from builder.manifest.starter import starter, write_starter
from builder.manifest.workshop import Choice, Workshop, load

__all__ = [
    "FILES", "Caches", "Card", "Choice", "FileSpec", "Hub", "Lock", "Manifest", "Packages", "Pin", "Repo",
    "RepoWorkshop", "Step", "Workshop", "card_schema", "changes", "load", "merge_repo", "read_lock", "schema",
    "starter", "write_lock", "write_starter",
]  # fmt: skip
