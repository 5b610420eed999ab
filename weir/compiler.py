"""The Solidity compiler: native where it can be had, else the same version built to WebAssembly.

py-solc-x (and so Ape) runs any executable ``solc-vX.Y.Z`` in the folder that ``SOLCX_BINARY_PATH`` names.
:func:`ensure_compiler` puts one there, in ``build/solc``: the native compiler if it can be downloaded within
a short time, else npm's ``solc``, behind a script. Whichever it is stays, so the network is asked
once. Version and settings are read from ``ape-config.yaml``, so that everyone compiles alike.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from weir.toolchain import BUILD, ROOT, module, node

CONFIG: Mapping[str, Any] = yaml.safe_load((ROOT / "ape-config.yaml").read_text())["solidity"]
VERSION: str = CONFIG["version"]
FOLDER = BUILD / "solc"
NAME = f"solc-v{VERSION}"
NATIVE = "native"

PROBE_SECONDS = 5
DOWNLOAD_SECONDS = 120
SIZE_LIMIT = 24_576  # EIP-170
ARTEFACTS = ("abi", "evm.bytecode.object", "evm.deployedBytecode.object")

_PROBE = """
import requests
from solcx.install import BINARY_DOWNLOAD_BASE, _get_os_name
requests.head(BINARY_DOWNLOAD_BASE.format(_get_os_name(), "list.json"), timeout=3).raise_for_status()
"""
_DOWNLOAD = f"import solcx; solcx.install_solc('{VERSION}')"


def ensure_compiler(*, retry: bool = False) -> Path:
    """The folder that holds the compiler, made ready and announced to py-solc-x.

    With ``retry``, a WebAssembly compiler is replaced if the native one can be had by now.
    """
    executable = FOLDER / NAME
    if not is_native(executable) and (retry or not executable.exists()):
        install_native(FOLDER)
    if is_native(executable):
        write_script(FOLDER, str(executable.parent / NATIVE / NAME))
    else:
        write_shim(FOLDER)  # anew each time: the checkout may have moved
    os.environ["SOLCX_BINARY_PATH"] = str(FOLDER)
    return FOLDER


def is_native(executable: Path) -> bool:
    """Whether the script runs a native compiler."""
    return (executable.parent / NATIVE / NAME).is_file()


def install_native(folder: Path) -> bool:
    """Download native solc into ``folder``; ``False``, soon, where that can't be done."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        if not _python(_PROBE, scratch, PROBE_SECONDS) or not _python(_DOWNLOAD, scratch, DOWNLOAD_SECONDS):
            return False
        downloaded = Path(scratch) / NAME
        try:
            found = version_of(downloaded)
        except (OSError, ValueError, subprocess.SubprocessError):  # built for another kind of machine
            return False
        if found != VERSION:
            return False
        (folder / NATIVE).mkdir(exist_ok=True)
        downloaded.replace(folder / NATIVE / NAME)
    return True


def write_shim(folder: Path) -> Path:
    """Put a script into ``folder`` that runs npm's ``solc`` as if it were the native compiler."""
    module("solc", "package.json")
    return write_script(folder, str(node()), str(ROOT / "tools" / "solcjs.js"))


def write_script(folder: Path, *command: str) -> Path:
    """Put a script into ``folder`` that runs a compiler.

    Ape compiles in a copy of the project without ``node_modules``: the script tells where they are.
    """
    root = shlex.quote(str(ROOT))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".script-", delete=False) as file:
        file.write(
            "#!/bin/sh\n"
            'case "$* " in\n'
            f"*--base-path\\ {root}\\ *) ;;\n"
            f'*--base-path*) set -- "$@" --include-path {root} ;;\n'
            "esac\n"
            f'exec {shlex.join(command)} "$@"\n'
        )
    Path(file.name).chmod(0o755)
    return Path(file.name).replace(folder / NAME)


def version_of(executable: Path) -> str:
    """The version that an executable reports, as X.Y.Z."""
    output = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True, timeout=60)
    if match := re.search(r"Version: (\d+\.\d+\.\d+)", output.stdout):
        return match[1]
    raise ValueError(f"{executable} does not report a Solidity version")


def standard_input(sources: Mapping[str, str], artefacts: Iterable[str] = ARTEFACTS) -> dict[str, Any]:
    """A standard-JSON request for these sources (path → text), with the project's settings."""
    return {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {
            "evmVersion": CONFIG["evm_version"],
            "viaIR": CONFIG["via_ir"],
            "optimizer": {"enabled": CONFIG["optimize"], "runs": CONFIG["optimization_runs"]},
            "remappings": sorted(CONFIG["import_remapping"]),
            "outputSelection": {name: {"*": list(artefacts)} for name in sources},
        },
    }


def compile_standard(
    request: Mapping[str, Any], executable: Path | None = None, base: Path = ROOT
) -> dict[str, Any]:
    """Answer a standard-JSON request; errors in the sources are part of the answer, as solc gives it."""
    command = [str(executable or ensure_compiler() / NAME), "--standard-json", "--base-path", str(base)]
    run = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"{NAME} failed with exit code {run.returncode}: {run.stderr.strip()[-2000:]}")
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def _python(code: str, solc_folder: str, seconds: float) -> bool:
    """Run code in a process of its own: nothing in it, a name look-up included, can outlast the limit."""
    variables = {**os.environ, "SOLCX_BINARY_PATH": solc_folder}
    try:
        run = subprocess.run(
            [sys.executable, "-c", code], env=variables, capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


@click.command()
@click.option("--retry", is_flag=True, help="Ask for the native compiler again.")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(files: tuple[Path, ...], retry: bool) -> None:
    """Make the compiler ready and print its folder; or compile FILES and print the size of each contract.

    Warnings of the libraries in node_modules are left out.
    """
    folder = ensure_compiler(retry=retry)
    if not files:
        click.echo(folder)
        return
    sources = {str(file.resolve().relative_to(ROOT)): file.read_text() for file in files}
    answer = compile_standard(standard_input(sources))
    for error in answer.get("errors", []):
        ours = not error.get("sourceLocation", {}).get("file", "").startswith("node_modules/")
        if ours or error["severity"] == "error":
            click.echo(error["formattedMessage"], err=True)
    for source, contracts in answer.get("contracts", {}).items():
        for name, artefact in contracts.items():
            if size := len(artefact["evm"]["deployedBytecode"]["object"]) // 2:
                note = f", {size - SIZE_LIMIT} over the limit" if size > SIZE_LIMIT else ""
                click.echo(f"{source}:{name}: {size} bytes{note}")
    if any(error["severity"] == "error" for error in answer.get("errors", [])):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
