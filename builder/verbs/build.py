"""`build.py build`: make the profile's outputs."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import click

from builder.content.page import size_text
from builder.doctor import require
from builder.errors import BudgetError
from builder.holdings import registered_call
from builder.manifest.workshop import Choice, load
from builder.options import Options, verb
from builder.pipeline import Made, image_name, jupyter_port, make
from builder.plan import weight_key
from builder.preparation import prepared
from builder.result import Output, Result
from builder.store.objects import Store
from builder.verbs.job import job_of


@verb
@click.option("--fast", is_flag=True, help="Deflate the appliance in half the time; it is up to a tenth larger.")
def command(options: Options, fast: bool) -> Result:
    """Make the profile's outputs: OCI layout, archive for docker load, VirtualBox appliance.

    What was made before from the same inputs is reused. Missing system programs are installed first.
    """
    _provide_programs(options)
    job = replace(job_of(options), is_fast=fast)
    with registered_call(job, "build", options.out):
        ready = prepared(job)
        made = make(job, ready, options.out)
        _remember_weight(ready.choice, made, job.store)
    outputs = tuple(Output(one.kind, one.path, one.digest, one.bytes) for one in made)
    cards = ready.choice.datasets
    facts = {
        "unpacked": {one.kind: one.unpacked for one in made if one.unpacked},
        "datasets": {name: {"licence": card.licence, "citation": card.citation} for name, card in cards.items()},
    }
    return Result(outputs, _text(ready.choice, made), facts, _over_budget(ready.choice, made))


def _provide_programs(options: Options) -> None:
    choice = load(options.manifest).choose(options.profile)
    with options.terminal.pause():
        require(choice, options.engine, yes=options.yes, tell=options.journal.tell)


def _remember_weight(choice: Choice, made: tuple[Made, ...], store: Store) -> None:
    weights = {one.kind: one.bytes for one in made}
    key = weight_key(choice)
    if store.recall("weight", key) != weights:
        store.remember("weight", key, weights)


def _over_budget(choice: Choice, made: tuple[Made, ...]) -> BudgetError | None:
    weight = sum(one.bytes for one in made)
    if choice.budget is None or weight <= choice.budget:
        return None
    return BudgetError(
        f"the outputs weigh {size_text(weight)}, over the budget of {size_text(choice.budget)}",
        hint="python3 build.py plan shows what weighs how much",
    )


def _text(choice: Choice, made: tuple[Made, ...]) -> str:
    width = max(len(str(one.path)) for one in made)
    lines = [f"{one.kind:6}  {one.path!s:{width}}  {size_text(one.bytes):>8}  {one.digest}" for one in made]
    by_kind = {one.kind: one for one in made}
    port = jupyter_port(choice)
    if "docker" in by_kind:
        lines += ["", *_docker_lines(by_kind["docker"].path, image_name(choice), port)]
    if "updates" in by_kind:
        lines += ["", f"put what is in {by_kind['updates'].path} at {choice.manifest.published}, objects/ first"]
    if "ova" in by_kind:
        unpacked = size_text(by_kind["ova"].unpacked)
        lines += [
            "",
            f"import {by_kind['ova'].path} in VirtualBox (it takes {unpacked} more once imported) and start it;",
        ]
        lines.append("its console shows the address to open")
    return "\n".join(lines)


def _docker_lines(path: Path, name: str, port: int | None) -> list[str]:
    ports = f" -p 127.0.0.1:{port}:{port}" if port else " -it"
    return [
        f"docker load -i {shlex.quote(str(path))}",
        f"docker run --rm{ports} {name}",
        *(["then open the address it prints"] if port else []),
    ]
