"""Compiling hundreds of variants of a few contracts.

A `Compiler` is a process that keeps solc loaded. A `Workshop` knows the project's sources, compiles one
contract with some of them changed, and keeps what came out, so that nothing is compiled twice. The legacy
pipeline does it where it can, several times faster; what finds no room on its stack goes through the other.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from weir.artifacts import MANIFEST
from weir.compiler import ARTEFACTS, VERSION, standard_input
from weir.files import write
from weir.fuzz.mutation.operators import OWN, SyntaxTree
from weir.toolchain import BUILD, ROOT, module, node

__all__ = ["CODE_CACHE", "Code", "Compiler", "CompilerError", "Workshop", "write_root"]

CODE_CACHE = BUILD / "mutation" / "code"
NOT_DEPLOYED = ("contracts/interfaces/", "contracts/mocks/")
_CODE = tuple(artefact for artefact in ARTEFACTS if artefact != "abi")


class CompilerError(RuntimeError):
    """The compiler broke down, or the project's own sources do not compile."""


class Compiler:
    """A process that answers standard-JSON requests, started at the first one."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """solc's answer; errors in the sources are part of it."""
        if self._process is None:
            module("solc", "package.json")
            self._process = subprocess.Popen(
                [str(node()), str(ROOT / "tools" / "solc-worker.js")],
                cwd=self._root,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            self.close()
            raise CompilerError("solc broke down over a request")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True, slots=True)
class Code:
    """Creation and runtime code of a contract, hex, without metadata, and by which pipeline."""

    creation: str
    runtime: str
    via_ir: bool


class Workshop:
    """Compiles contracts of a project with some sources changed. Safe to use from `jobs` threads at once."""

    def __init__(self, *, root: Path = ROOT, jobs: int = 1) -> None:
        self._root = root
        self._free = SimpleQueue[Compiler]()
        self._compilers = [Compiler(root) for _ in range(jobs)]
        for compiler in self._compilers:
            self._free.put(compiler)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for compiler in self._compilers:
            compiler.close()

    @cached_property
    def tree(self) -> SyntaxTree:
        """The syntax trees of all contracts but the mocks."""
        paths = sorted((self._root / OWN).rglob("*.sol"))
        names = [path.relative_to(self._root).as_posix() for path in paths if ".cache" not in path.parts]
        own = [name for name in names if not name.startswith(NOT_DEPLOYED)]
        request = standard_input({name: (self._root / name).read_text("utf-8") for name in own})
        request["settings"]["outputSelection"] = {"*": {"": ["ast"]}}
        answer = self._ask(request)
        if error := _error(answer):
            raise CompilerError(f"the sources do not compile: {error}")
        roots = {name: source["ast"] for name, source in answer["sources"].items() if name.startswith(OWN)}
        return SyntaxTree({name: (self._root / name).read_text("utf-8") for name in roots}, roots)

    @cached_property
    def contracts(self) -> Mapping[str, str]:
        """The contracts that can be deployed: name → file."""
        return {
            node["name"]: file
            for file, root in self.tree.roots.items()
            if not file.startswith(NOT_DEPLOYED)
            for node in root["nodes"]
            if node["nodeType"] == "ContractDefinition"
            and node["contractKind"] == "contract"
            and not node["abstract"]
        }

    def users(self, file: str) -> list[str]:
        """The contracts whose code may change with a file."""
        return sorted(name for name, home in self.contracts.items() if file in self.tree.imports(home))

    def original(self, contract: str, *, via_ir: bool | None = None) -> Code:
        """The contract as it is; raises `CompilerError` where it can't be compiled so."""
        code = self._compile(contract, {}, self._via_ir(contract) if via_ir is None else via_ir)
        if isinstance(code, str):
            raise CompilerError(f"{contract}: {code}")
        return code

    def compile(self, contract: str, changed: Mapping[str, str]) -> Code | None:
        """The contract with some sources (path → text) changed; None if that is not Solidity."""
        via_ir = self._via_ir(contract)
        code = self._compile(contract, changed, via_ir)
        if not via_ir and _too_deep(code):
            code = self._compile(contract, changed, via_ir=True)
        return None if isinstance(code, str) else code

    def _via_ir(self, contract: str) -> bool:
        """Whether the contract as it is needs the slower pipeline."""
        return _too_deep(self._compile(contract, {}, via_ir=False))

    def _compile(self, contract: str, changed: Mapping[str, str], via_ir: bool) -> Code | str:
        """The code, or the compiler's first error."""
        file = self.contracts[contract]
        sources = {
            name: changed.get(name, self.tree.sources[name])
            for name in sorted(self.tree.imports(file))
            if name.startswith(OWN)
        }
        request = standard_input(sources)
        request["settings"] |= {
            "viaIR": via_ir,
            "metadata": {"appendCBOR": False},
            "outputSelection": {file: {contract: list(_CODE)}},
        }
        text = json.dumps([VERSION, request], sort_keys=True)
        kept = CODE_CACHE / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
        if not kept.exists():
            answer = self._ask(request)
            error = _error(answer)
            evm = {} if error else answer["contracts"][file][contract]["evm"]
            found = {"error": error} if error else {key: code["object"] for key, code in evm.items()}
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_name(f"{kept.name}.{id(request)}")
            partial.write_text(json.dumps(found), encoding="utf-8")
            partial.replace(kept)
        known = json.loads(kept.read_text(encoding="utf-8"))
        if "error" in known:
            return str(known["error"])
        return Code(known["bytecode"], known["deployedBytecode"], via_ir)

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        compiler = self._free.get()
        try:
            return compiler.ask(request)
        finally:
            self._free.put(compiler)


def _error(answer: Mapping[str, Any]) -> str | None:
    for error in answer.get("errors", ()):
        if error["severity"] == "error":
            return f"{error['type']}: {error['message']}"
    return None


def _too_deep(found: Code | str) -> bool:
    return isinstance(found, str) and "too deep" in found


def write_root(folder: Path, codes: Mapping[str, Code], *, root: Path = ROOT) -> None:
    """A project's folder as `weir.artifacts` reads it: its own contracts, but for these."""
    manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    types = {
        name: {
            key: kind[key]
            for key in ("contractName", "abi", "deploymentBytecode", "runtimeBytecode")
            if key in kind
        }
        for name, kind in manifest["contractTypes"].items()
    }
    for name, code in codes.items():
        types[name]["deploymentBytecode"] = {"bytecode": f"0x{code.creation}"}
        types[name]["runtimeBytecode"] = {"bytecode": f"0x{code.runtime}"}
    write(folder / MANIFEST, json.dumps({"contractTypes": types}))
