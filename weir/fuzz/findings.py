"""What a campaign found, in a file: the setting and the steps, to be read and replayed anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from weir.files import write
from weir.fuzz.sequence import Run
from weir.fuzz.steps import Step, from_json, to_json
from weir.fuzz.subject import Subject, ViolationError

__all__ = ["Finding", "FindingError", "told"]

_VERSION = 1


class FindingError(ValueError):
    """A file that is not a finding; the message says what is wrong."""


@dataclass(frozen=True)
class Finding:
    """A sequence that breaks `rule`."""

    setting: str
    seed: int
    sequence: int
    rule: str
    detail: str
    steps: tuple[Step, ...]

    def save(self, folder: Path, known: Mapping[str, type]) -> Path:
        """Writes it under a name made from its content; the path."""
        steps = [to_json(step, dict(known)) for step in self.steps]
        body = {"version": _VERSION, **vars(self), "steps": steps}
        text = json.dumps(body, indent=1)
        name = "-".join("".join(c if c.isalnum() else " " for c in self.rule).split())
        path = folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
        write(path, text + "\n")
        return path

    @classmethod
    def load(cls, path: Path, known: Mapping[str, type]) -> Finding:
        """Reads what `save` wrote; raises `FindingError`."""
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            if body.pop("version") != _VERSION:
                raise FindingError(f"{path}: version: must be {_VERSION}")
            steps = tuple(from_json(step, dict(known)) for step in body.pop("steps"))
            return cls(**body, steps=steps)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise FindingError(
                f"{path}: not a finding of weir fuzz: {type(error).__name__}: {error}"
            ) from None
        except ValueError as error:
            raise FindingError(f"{path}: {error}") from None


@dataclass(frozen=True)
class Told:
    """A replay as text: each step and how it went, and what the last one did to the ledger."""

    lines: tuple[str, ...]
    changes: tuple[tuple[str, int, int], ...]  # name, before, after
    run: Run


def told(subject: Subject, steps: Sequence[Step]) -> Told:
    """Replays the steps thoroughly and tells the story."""
    subject.thorough = True
    done, lines = Run(), []
    subject.begin()
    before = after = dict(subject.ledger())
    try:
        for step in steps:
            before = dict(subject.ledger())
            done.steps.append(step)
            refused = subject.execute(step)
            done.calls += subject.is_call(step)
            lines.append(f"{step}{f'  refused: {refused}' if refused else ''}")
        before = dict(subject.ledger())
        subject.finish()
    except ViolationError as error:
        done.violation = error.rule, error.detail
        if len(lines) < len(steps):
            lines.append(f"{steps[len(lines)]}  breaks {error.rule}")
        else:
            lines.append(f"at the end: {error.rule}")
    finally:
        subject.thorough = False
    after = dict(subject.ledger())
    changed = sorted(name for name in {*before, *after} if before.get(name, 0) != after.get(name, 0))
    changes = tuple((name, before.get(name, 0), after.get(name, 0)) for name in changed)
    return Told(tuple(lines), changes, done.take(subject))
