"""Every error and event of the vault and the clearing house is named in a test of theirs."""

from pathlib import Path

import pytest

from weir.artifacts import artifact

HERE = Path(__file__).parent
FOLDERS = {"IVault": ("vault", "clearing_house"), "IClearingHouse": ("clearing_house",)}


def declared(interface):
    return sorted((e["type"], e["name"]) for e in artifact(interface).abi if e["type"] in ("error", "event"))


@pytest.mark.parametrize("interface", FOLDERS)
def test_errors_and_events_are_exercised_by_name(interface):
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in FOLDERS[interface]
        for path in sorted((HERE / folder).glob("test_*.py"))
    )
    called = {"error": ('reverts("{0}"', 'reverts(\n        "{0}"'), "event": ('event(receipt, "{0}"', 'events(receipt, "{0}"')}
    missing = [
        f"{kind} {name}"
        for kind, name in declared(interface)
        if not any(pattern.format(name) in sources for pattern in called[kind])
    ]
    assert declared(interface)
    assert missing == []
