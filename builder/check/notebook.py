"""A notebook run by the Jupyter of a guest, through the same interface that a browser uses.

Jupyter Server's REST API, and messages of the Jupyter client's protocol 5.3 over a websocket.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

from builder.errors import CheckError

SILENT = 20.0
"""Seconds within which a kernel begins a cell."""
TRIES = 10
ENDED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
SESSION, DATE = "workshop-check", "2000-01-01T00:00:00Z"
FOLDERS = 200
"""How many folders are looked through for a notebook."""
CELL = 900.0
"""Seconds that a cell may take, which without KVM is little."""


@dataclass(frozen=True)
class Ran:
    """A notebook that ran without an error, and how many cells of code it has."""

    path: str
    cells: int


def run_notebook(address: str, token: str, path: str | None = None) -> Ran:
    """Run the notebook at `path`, by default the smallest there is; raise CheckError when it cannot, or fails."""
    try:
        return asyncio.run(_run(address.rstrip("/"), token, path))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CheckError(
            f"the guest's Jupyter failed while it ran a notebook: {error or type(error).__name__}"
        ) from error


async def _run(address: str, token: str, path: str | None) -> Ran:
    headers = {"Authorization": f"token {token}"}
    limit = aiohttp.ClientTimeout(total=None, sock_read=CELL)
    async with aiohttp.ClientSession(headers=headers, timeout=limit, raise_for_status=True) as client:
        jupyter = _Jupyter(client, address)
        notebook = path or await jupyter.smallest()
        cells = await jupyter.code(notebook)
        async with client.post(f"{address}/api/sessions", json=_session(notebook)) as answer:
            kernel = (await answer.json())["kernel"]["id"]
        try:
            channels = f"{address}/api/kernels/{quote(kernel)}/channels?session_id={SESSION}"
            await _wait_for_kernel(client, channels)
            for number, cell in enumerate(cells, 1):
                await _run_cell(client, channels, cell, f"{notebook}, cell {number}")
        finally:
            with suppress(aiohttp.ClientError):  # what went wrong before is what is told
                await client.delete(f"{address}/api/kernels/{quote(kernel)}")
    return Ran(notebook, len(cells))


def _session(notebook: str) -> dict[str, Any]:
    return {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": "python3"}}


class _Jupyter:
    """What the guest's Jupyter tells of its files."""

    def __init__(self, client: aiohttp.ClientSession, address: str) -> None:
        self.client, self.address = client, address

    async def _contents(self, path: str) -> Any:
        async with self.client.get(f"{self.address}/api/contents/{quote(path)}") as answer:
            return (await answer.json())["content"]

    async def smallest(self) -> str:
        """The smallest notebook in the first folders, those nearest to the root first."""
        todo, found = deque([""]), []
        for _ in range(FOLDERS):
            if not todo:
                break
            for entry in sorted(await self._contents(todo.popleft()), key=lambda entry: str(entry["path"])):
                if entry["type"] == "directory":
                    todo.append(entry["path"])
                elif entry["type"] == "notebook":
                    found.append((entry["size"] or 0, entry["path"]))
        if not found:
            raise CheckError("the guest's Jupyter shows no notebook", hint="add a repo that has one")
        return str(min(found)[1])

    async def code(self, path: str) -> list[str]:
        """The source of each cell of code."""
        cells = (await self._contents(path))["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


async def _wait_for_kernel(client: aiohttp.ClientSession, address: str) -> None:
    """Wait until a kernel answers, on connections of their own.

    On a connection that was made while the kernel starts, messages can be lost, and without KVM it starts slowly. So
    nothing that matters is sent on it.
    """
    for _ in range(TRIES):
        async with client.ws_connect(address, max_msg_size=64 << 20) as channel:
            key = await _send(channel, "kernel_info_request", {})
            async for said in _answers(channel, key, SILENT):
                if said["header"]["msg_type"] == "kernel_info_reply":
                    return
    raise CheckError("the guest's kernel does not answer")


async def _run_cell(client: aiohttp.ClientSession, address: str, code: str, what: str) -> None:
    """Run one cell to its end; what the kernel has not begun within a while is asked again on a new connection."""
    for _ in range(TRIES):
        async with client.ws_connect(address, max_msg_size=64 << 20) as channel:
            if await _execute(channel, code, what):
                return
    raise CheckError(f"{what}: the guest's kernel does not answer")


async def _execute(channel: aiohttp.ClientWebSocketResponse, code: str, what: str) -> bool:
    """Whether the cell was run to its end; False when the kernel has not begun it."""
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    key = await _send(channel, "execute_request", content)
    has_begun = False
    async for said in _answers(channel, key, SILENT):
        has_begun = True
        if _is_done(said, what):
            return True
    if has_begun:
        raise CheckError(f"{what}: the kernel went away")
    return False


async def _send(channel: aiohttp.ClientWebSocketResponse, kind: str, content: Mapping[str, Any]) -> str:
    """Send a request on the shell channel; its id, which the answers name."""
    key = uuid.uuid4().hex
    header = {
        "msg_id": key, "msg_type": kind, "username": "", "session": SESSION, "date": DATE, "version": "5.3",
    }  # fmt: skip
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    await channel.send_json({**message, "channel": "shell", "buffers": []})
    return key


async def _answers(
    channel: aiohttp.ClientWebSocketResponse, key: str, silent: float
) -> AsyncIterator[Mapping[str, Any]]:
    """What is said to a request, as long as anything is: the first within `silent` seconds, the next within CELL."""
    begun, end = False, time.monotonic() + silent
    while True:
        try:
            message = await channel.receive(timeout=CELL if begun else max(0.1, end - time.monotonic()))
        except TimeoutError:
            if begun:
                raise
            return
        if message.type in ENDED:
            return
        said = message.json() if message.type == aiohttp.WSMsgType.TEXT else {"parent_header": {}}
        if said["parent_header"].get("msg_id") == key:
            begun = True
            yield said


def _is_done(said: Mapping[str, Any], what: str) -> bool:
    kind, content = said["header"]["msg_type"], said["content"]
    if kind == "error":
        raise CheckError(f"{what} failed in the guest: {content['ename']}: {content['evalue']}")
    return bool(kind == "execute_reply" or (kind == "status" and content["execution_state"] == "idle"))
