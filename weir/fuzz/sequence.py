"""One sequence: an actor at a time sets about something, until enough calls have been made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from weir.fuzz.draw import Draw, RandomDraw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Action, Plan, Slack, Subject, ViolationError

__all__ = ["Run", "follow", "replay", "run", "swarm"]

_PATIENCE = 200  # plans in a row that make no call


@dataclass
class Run:
    """What a sequence did. `violation` is (rule, detail) where it found one."""

    steps: list[Step] = field(default_factory=list)
    calls: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (call, "ok" or why refused)
    seen: Counter[str] = field(default_factory=Counter)
    slack: dict[str, Slack] = field(default_factory=dict)
    violation: tuple[str, str] | None = None

    def count(self, subject: Subject, step: Step, refused: str | None) -> None:
        """A step that was made, and why it was refused, if it was; the surroundings' are no calls."""
        if subject.is_call(step):
            self.calls += 1
            self.outcomes[step.call, refused or "ok"] += 1

    def take(self, subject: Subject) -> Run:
        """With what the subject has counted."""
        self.seen, self.slack = Counter(subject.seen), dict(subject.slack)
        return self


def swarm(actions: Sequence[Action], draw: Draw) -> list[Action]:
    """Some of the actions, some of those far more often than usual (Groce et al., Swarm Testing, 2012)."""
    if draw.chance(20):
        return list(actions)
    kept = [action for action in actions if draw.chance(75)] or list(actions)
    return [
        Action(action.name, action.weight * 4 if draw.chance(15) else action.weight, action.plan)
        for action in kept
    ]


def run(subject: Subject, seed: object, calls: int) -> Run:
    """A sequence of this many calls from the beginning; always the same for the same seed."""
    draw, done, idle = RandomDraw(seed), Run(), 0
    subject.begin()
    turns = _turns(swarm(subject.actions, draw))
    try:
        if plan := subject.open_plan(draw):
            _follow_counting(subject, plan, done, calls)
        while done.calls < calls:
            before = done.calls
            _follow_counting(subject, subject.plan(draw.choice(turns), draw), done, calls)
            idle = idle + 1 if done.calls == before else 0
            if idle == _PATIENCE:
                turns = _turns(subject.actions)  # the swarm left out whoever could do something
            elif idle > 100 * _PATIENCE:
                raise ValueError(f"actions: none of {subject.name}'s makes a call")
        subject.finish()
    except ViolationError as error:
        done.violation = error.rule, error.detail
    return done.take(subject)


def _turns(actions: Sequence[Action]) -> list[Action]:
    return [action for action in actions for _ in range(action.weight)]


def _follow_counting(subject: Subject, plan: Plan, done: Run, calls: int) -> None:
    for step, refused in follow(subject, plan, done.steps):
        done.count(subject, step, refused)
        if done.calls >= calls:
            return


def follow(subject: Subject, plan: Plan, steps: list[Step]) -> Iterator[tuple[Step, str | None]]:
    """Makes a plan's steps one after the other, and tells the plan how each went; notes each in `steps`."""
    went_through: bool | None = None
    while True:
        try:
            step = plan.send(went_through)  # type: ignore[arg-type]
        except StopIteration:
            return
        steps.append(step)
        refused = subject.execute(step)
        went_through = refused is None
        yield step, refused


def replay(subject: Subject, steps: Sequence[Step]) -> Run:
    """The same steps again, and the checks of the end."""
    done = Run()
    subject.begin()
    try:
        for step in steps:
            done.steps.append(step)
            done.count(subject, step, subject.execute(step))
        subject.finish()
    except ViolationError as error:
        done.violation = error.rule, error.detail
    return done.take(subject)
