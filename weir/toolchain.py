"""Where a checkout keeps the programs that Weir runs, and the environment in which Ape finds them.

``eval "$(.venv/bin/python -m weir.toolchain)"`` prepares a shell; :func:`activate` prepares this process.
"""

import os
import shlex
import shutil
import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
NODE_MODULES = ROOT / "node_modules"


class ToolMissingError(RuntimeError):
    """A program that ``make setup`` installs is not there."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} not found: run `make setup` in {ROOT}")


def node() -> Path:
    """The Node.js executable."""
    if found := shutil.which("node"):
        return Path(found)
    raise ToolMissingError("node")


def module(*parts: str) -> Path:
    """A file of an installed npm package."""
    path = NODE_MODULES.joinpath(*parts)
    if not path.exists():
        raise ToolMissingError("/".join(parts))
    return path


def anvil() -> Path:
    """The native Anvil executable."""
    return _foundry("anvil")


def forge() -> Path:
    """The native Forge executable."""
    return _foundry("forge")


def _foundry(program: str) -> Path:
    # Not npm's launchers: killed, they leave the program running, and they hide its exit code.
    name = f"{program}.exe" if os.name == "nt" else program
    for path in sorted(NODE_MODULES.glob(f"@foundry-rs/{program}-*/bin/{name}")):
        return path
    raise ToolMissingError(program)


def environment() -> dict[str, str]:
    """What Ape needs to see: its own data folder, the compiler and Anvil, all inside the checkout."""
    ahead = [Path(sys.executable).parent, anvil().parent, NODE_MODULES / ".bin"]
    rest = [part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(part) not in ahead]
    return {
        "APE_DATA_FOLDER": str(BUILD / "ape"),
        "PATH": os.pathsep.join([*map(str, ahead), *rest]),
        "SOLCX_BINARY_PATH": str(BUILD / "solc"),
    }


def activate() -> None:
    """Put :func:`environment` in force for this process and its children."""
    os.environ.update(environment())


@click.command()
def main() -> None:
    """Print the environment as shell commands."""
    for name, value in environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
