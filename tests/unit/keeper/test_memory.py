"""Actions that failed rest, ever longer, until they succeed."""

from weir.keeper.memory import FIRST_DELAY, LAST_DELAY, URGENT_DELAY, Rest, Rests


def test_rests_double_up_to_a_limit_and_end_with_success() -> None:
    rests = Rests()
    until = []
    for _ in range(8):
        rests.failed("roll:junior", "roll", 0)
        until.append(rests["roll:junior"].until)
    assert until[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert until[-1] == LAST_DELAY
    assert rests.rests("roll:junior", LAST_DELAY - 1)
    assert not rests.rests("roll:junior", LAST_DELAY)
    rests.succeeded("roll:junior")
    assert not rests.rests("roll:junior", 0)


def test_old_failures_are_dropped() -> None:
    rests = Rests({"old": Rest(3, 10), "new": Rest(1, 1_000)})
    rests.forget(LAST_DELAY + 10)
    assert (len(rests), rests["new"]) == (1, Rest(1, 1_000))


def test_what_is_urgent_does_not_rest_long() -> None:
    rests = Rests()
    for _ in range(8):
        rests.failed("flag:0x20:0", "flag", 0)
    assert rests["flag:0x20:0"].until == URGENT_DELAY
