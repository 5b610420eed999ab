"""A project compiled with probes in its contracts, kept until something changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from weir.artifacts import MANIFEST
from weir.compiler import standard_input
from weir.files import write
from weir.fuzz.coverage.points import Branch, CoverageMap, Points, Statement
from weir.fuzz.coverage.probes import compiled, instrument
from weir.toolchain import ROOT

__all__ = ["build"]

CONTRACTS = "contracts"
FOLDER = Path("build") / "coverage"
POINTS = "points.json"


def build(root: Path | None = None) -> CoverageMap:
    """Compiles a project's contracts with probes into its `build/coverage`; minutes, unless nothing changed.

    The project is this checkout if none is given. Raises `CoverageError` where the contracts don't compile.
    """
    root = root or ROOT
    folder = root / FOLDER
    sources = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((root / CONTRACTS).rglob("*.sol"))
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    }
    key = _key(sources)
    points = _load(folder / POINTS, key)
    if points is None:
        instrumented, points = instrument(sources)
        by_source = compiled(standard_input(instrumented))["contracts"]
        # Gone first and back last: with it, the manifest is that of the key.
        (folder / POINTS).unlink(missing_ok=True)
        _save_manifest(folder / MANIFEST, by_source)
        write(folder / POINTS, json.dumps({"key": key} | asdict(points)))
    return CoverageMap(folder, points)


def _key(sources: Mapping[str, str]) -> str:
    """Changes with whatever the build depends on."""
    digest = hashlib.sha256(json.dumps(standard_input(sources), sort_keys=True).encode())
    for path in (*sorted(Path(__file__).parent.glob("*.py")), ROOT / "package-lock.json"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _load(path: Path, key: str) -> Points | None:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if saved["key"] != key:
        return None
    return Points(
        tuple(Statement(**each | {"ids": tuple(each["ids"])}) for each in saved["statements"]),
        tuple(Branch(**each) for each in saved["branches"]),
    )


def _save_manifest(path: Path, by_source: Mapping[str, Mapping[str, Any]]) -> None:
    """As `ape compile` would, as far as `weir.artifacts` reads it."""
    types = {
        name: {
            "contractName": name,
            "sourceId": source,
            "abi": built["abi"],
            "deploymentBytecode": {"bytecode": "0x" + built["evm"]["bytecode"]["object"]},
            "runtimeBytecode": {"bytecode": "0x" + built["evm"]["deployedBytecode"]["object"]},
        }
        for source, contracts in by_source.items()
        if source.startswith(f"{CONTRACTS}/")
        for name, built in contracts.items()
    }
    write(path, json.dumps({"manifest": "ethpm/3", "contractTypes": types}))
