"""Packages of the system, of Python and of npm, as names that can be written into a file or a command as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

from builder.manifest.fields import LONGEST, matching, shortened
from builder.manifest.strict import Strict, wrong

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)"
    r" *(\[ *[A-Za-z0-9._-]+( *, *[A-Za-z0-9._-]+)* *\])?"
    r" *(\(? *(===|~=|==|!=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+( *, *(===|~=|==|!=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+)* *\)?)?"
    r" *(; *[A-Za-z0-9_ .'\"<>=!~()+*-]+)?"
)


def requirement(text: str) -> str:
    """A Python requirement on one line, as PEP 508 writes them, without addresses and options."""
    if text.startswith("-"):
        raise wrong(
            f"{text!r} is an option of pip; only requirements stand here (the index is the machine's own setting)"
        )
    if " @ " in text or "://" in text:
        raise wrong(
            f"{text!r} names an address, which a lock cannot pin; bring it as a repo, or name a released version"
        )
    plain = re.sub(" +", " ", text)
    if len(text) > LONGEST or not _REQUIREMENT.fullmatch(plain):
        raise wrong(f"{shortened(text)} is no Python requirement, like numpy or numpy>=2,<3")
    return plain


def requirement_name(text: str) -> str:
    """The normal form of a requirement's name (PEP 503), by which two requirements are about one package."""
    found = _REQUIREMENT.fullmatch(text)
    return re.sub(r"[-_.]+", "-", found["name"] if found else text).lower()


SystemPackage = Annotated[
    str,
    matching(r"[A-Za-z0-9][A-Za-z0-9+._-]*(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?", "is no name of a system package"),
]
NpmPackage = Annotated[
    str,
    matching(
        r"(@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][A-Za-z0-9._~-]*(@[\^~]?[A-Za-z0-9.+-]+)?",
        "is no npm package, like reveal.js or reveal.js@5.1.0",
    ),
]
PythonRequirement = Annotated[str, AfterValidator(requirement)]


class Packages(Strict):
    """What is installed in the image, for every repo to use."""

    system: tuple[SystemPackage, ...] = Field((), description="Packages of the distribution, like git or graphviz")
    python: tuple[PythonRequirement, ...] = Field((), description="Python requirements, like numpy or numpy>=2")
    npm: tuple[NpmPackage, ...] = Field((), description="npm packages, like reveal.js or reveal.js@5.1.0")

    def joined(self, others: Iterable[Packages]) -> Packages:
        """This with what others need besides; where both name a Python or npm package, this one's word holds."""
        system, python, npm = list(self.system), list(self.python), list(self.npm)
        taken = {requirement_name(one) for one in python} | {_npm_name(one) for one in npm}
        for other in others:
            system += [one for one in other.system if one not in system]
            python += [one for one in other.python if requirement_name(one) not in taken and one not in python]
            npm += [one for one in other.npm if _npm_name(one) not in taken and one not in npm]
        return Packages(system=tuple(system), python=tuple(python), npm=tuple(npm))


def _npm_name(text: str) -> str:
    return "npm:" + (text if text.rfind("@") <= 0 else text[: text.rfind("@")])
