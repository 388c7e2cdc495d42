"""Debian's American English word list: words and names of three letters or more, without accents and apostrophes."""

import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "words" / "american-english"
LETTERS = ".abcdefghijklmnopqrstuvwxyz"


@cache
def _entries():
    return FILE.read_text(encoding="utf-8").splitlines()


@cache
def words():
    """Entries in lower case."""
    return [entry for entry in _entries() if re.fullmatch(r"[a-z]{3,}", entry)]


@cache
def names():
    """Entries with a capital, as people and places have, in lower case here."""
    return [entry.lower() for entry in _entries() if re.fullmatch(r"[A-Z][a-z]{2,}", entry)]
