"""Compiled contracts, as `ape compile` leaves them in the project's `.build` folder (an EthPM manifest).

`root` is the project's folder where it is not this checkout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from weir.toolchain import ROOT

__all__ = ["MANIFEST", "Artifact", "ArtifactError", "artifact", "artifacts"]

MANIFEST = Path(".build") / "__local__.json"
"""Where the manifest lies in the project's folder."""


class ArtifactError(RuntimeError):
    """A contract that has not been compiled; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: its ABI, creation code, and deployed code before immutables are filled in."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    deployed_bytecode: bytes

    @property
    def code_hash(self) -> str:
        """keccak of the creation code, hex: tells one build from another."""
        return "0x" + keccak(self.bytecode).hex()


def artifacts(root: Path | None = None) -> Mapping[str, Artifact]:
    """Every compiled contract by name; raises `ArtifactError` where nothing has been compiled."""
    manifest = (root or ROOT) / MANIFEST
    try:
        stamp = manifest.stat().st_mtime_ns
    except OSError:
        raise ArtifactError(f"no compiled contracts at {manifest}: run `make setup` first") from None
    return _read(manifest, stamp)


def artifact(name: str, root: Path | None = None) -> Artifact:
    """The contract of this name; raises `ArtifactError` where it has not been compiled."""
    known = artifacts(root)
    if name not in known:
        raise ArtifactError(
            f"no compiled contract {name!r} in {(root or ROOT) / MANIFEST}: run `make setup` first"
        )
    return known[name]


@lru_cache(maxsize=4)
def _read(manifest: Path, _stamp: int) -> Mapping[str, Artifact]:
    try:
        types = json.loads(manifest.read_text(encoding="utf-8"))["contractTypes"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{manifest} is not a manifest ({error}): run `make setup` again") from None
    return {
        name: Artifact(
            name=name,
            abi=tuple(kind.get("abi", ())),
            bytecode=_code(kind, "deploymentBytecode"),
            deployed_bytecode=_code(kind, "runtimeBytecode"),
        )
        for name, kind in types.items()
    }


def _code(kind: Mapping[str, Any], key: str) -> bytes:
    code = (kind.get(key) or {}).get("bytecode") or ""
    return bytes.fromhex(code.removeprefix("0x"))
