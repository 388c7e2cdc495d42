"""The forwarded ports: reached from the attendee's own machine only, possible for anyone, and each its own."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from builder.appliance.ovf import PRIVILEGED
from builder.check.envelope import NUMBER
from builder.check.findings import Findings
from builder.check.xml import Document

TCP, UDP = "1", "0"


def check_forwards(document: Document, machine: Element, findings: Findings) -> None:
    """Look at every rule of every adapter."""
    names: set[str] = set()
    taken: set[tuple[str, str]] = set()
    for rule in machine.iterfind("{*}Hardware/{*}Network/{*}Adapter//{*}Forwarding"):
        where, name = document.where(rule), rule.get("name", "")
        host, guest, protocol = rule.get("hostport", ""), rule.get("guestport", ""), rule.get("proto", "")
        address = rule.get("hostip", "")
        findings.require(address == "127.0.0.1", "forward.address", where, f"{name}: {address or 'every address'}")
        findings.require(protocol in (TCP, UDP), "forward.protocol", where, f"{name}: {protocol}")
        is_open = _is_port(host, PRIVILEGED) and _is_port(guest, 1)
        findings.require(is_open, "forward.port", where, f"{name}: {host} to {guest}")
        is_new = name not in names and (protocol, host) not in taken
        findings.require(is_new, "forward.once", where, f"{name}: {host} a second time")
        names.add(name)
        taken.add((protocol, host))


def _is_port(text: str, least: int) -> bool:
    return bool(NUMBER.fullmatch(text)) and least <= int(text) < 65536


def forwarded(machine: Element) -> dict[str, int]:
    """Name → the guest's port, for each rule that is sound."""
    rules = machine.iterfind("{*}Hardware/{*}Network/{*}Adapter//{*}Forwarding")
    found = {rule.get("name", ""): rule.get("guestport", "") for rule in rules if rule.get("proto") == TCP}
    return {name: int(port) for name, port in found.items() if _is_port(port, 1)}
