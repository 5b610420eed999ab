"""Files: read with one line for whatever is wrong, and written whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from weir.risk.errors import RiskError, told

__all__ = ["reading", "replacing", "write"]


@contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Turns what goes wrong within into a `RiskError`: the file, `what` it is not, and why."""
    start = f"{path}: {f'not {what}: ' if what else ''}"
    try:
        yield
    except RiskError:
        raise
    except OSError as error:
        raise RiskError(f"{path}: {error.strerror or error}") from None
    except ValidationError as error:
        raise RiskError(f"{start}{told(error)}") from None
    except json.JSONDecodeError as error:
        raise RiskError(f"{path}: not JSON: {error}") from None
    except UnicodeDecodeError:
        raise RiskError(f"{start}not text") from None
    except ValueError as error:
        raise RiskError(f"{start}{error}") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which takes its place at the end, and is gone where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        part = Path(file.name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Writes a file of text, making its folder where there is none."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
