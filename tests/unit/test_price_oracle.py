"""PriceOracle: SPECIFICATION.md section 7."""

from __future__ import annotations

from enum import IntEnum

import ape
import pytest

from weir.governance import GOVERNOR

MARKET = 3
DOLLAR = 10**18
HEARTBEAT = 3_600
MIN_PRICE, MAX_PRICE = 1_000 * DOLLAR, 1_000_000 * DOLLAR
PRICE = 50_000 * DOLLAR
GRACE = 600
ZERO_ADDRESS = "0x" + "00" * 20
UINT128 = 2**128
FEED_DECIMALS = 8
ANSWER = 50_000 * 10**FEED_DECIMALS


class Status(IntEnum):
    OK = 0
    STALE = 1
    OUT_OF_BOUNDS = 2
    SEQUENCER_DOWN = 3
    UNSET = 4


class Mode(IntEnum):
    LIVE = 0
    REVERTING = 1
    UNSET_ROUND = 2


@pytest.fixture
def authority(project, governor):
    return governor.deploy(project.Authority, governor)


@pytest.fixture
def unset_oracle(project, governor, authority):
    return governor.deploy(project.PriceOracle, authority)


@pytest.fixture
def feed(project, governor):
    return governor.deploy(project.TestFeed, FEED_DECIMALS, ANSWER)


@pytest.fixture
def oracle(unset_oracle, feed, governor):
    unset_oracle.setFeed(MARKET, feed, HEARTBEAT, MIN_PRICE, MAX_PRICE, sender=governor)
    return unset_oracle


@pytest.fixture
def raw_oracle(unset_oracle, raw_feed, governor):
    unset_oracle.setFeed(MARKET, raw_feed, HEARTBEAT, MIN_PRICE, MAX_PRICE, sender=governor)
    return unset_oracle


@pytest.fixture
def raw_feed(project, governor):
    return governor.deploy(project.RawFeed)


@pytest.fixture
def sequencer(project, governor, oracle, chain):
    """A sequencer that has been up for longer than the grace period."""
    sequencer = governor.deploy(project.TestFeed, 0, 0)
    oracle.setSequencerFeed(sequencer, GRACE, sender=governor)
    chain.mine(deltatime=GRACE)
    return sequencer


def now(chain) -> int:
    return chain.blocks.head.timestamp


def assert_unavailable(oracle, status: Status, price: int = 0) -> None:
    """peek says so and does not revert; price() reverts with the market and the status."""
    assert oracle.peek(MARKET)[:2] == (price, status)
    with ape.reverts(oracle.PriceUnavailable, error_inputs={"market": MARKET, "status": status}):
        oracle.price(MARKET)


def words(*values: int) -> bytes:
    return b"".join((value % 2**256).to_bytes(32, "big") for value in values)


# ---- prices


def test_a_market_without_a_feed_has_no_price(unset_oracle):
    assert_unavailable(unset_oracle, Status.UNSET)


def test_a_fresh_answer_is_the_price(oracle, feed):
    assert oracle.price(MARKET) == PRICE
    assert oracle.peek(MARKET) == (PRICE, Status.OK, feed.latestRoundData()[3])
    assert oracle.peek(MARKET + 1) == (0, Status.UNSET, 0)


def test_every_call_reads_the_feed_anew(oracle, feed, stranger):
    feed.setAnswer(ANSWER + 1, sender=stranger)
    assert oracle.price(MARKET) == PRICE + 10**10


@pytest.mark.parametrize("decimals", [0, 6, 8, 17, 18])
def test_answers_of_any_decimals_are_scaled_to_eighteen(project, unset_oracle, governor, decimals):
    feed = governor.deploy(project.TestFeed, decimals, 50_000 * 10**decimals)
    unset_oracle.setFeed(MARKET, feed, HEARTBEAT, MIN_PRICE, MAX_PRICE, sender=governor)
    assert unset_oracle.price(MARKET) == PRICE
    assert unset_oracle.feedOf(MARKET).decimals == decimals


@pytest.mark.parametrize(("age", "status"), [(HEARTBEAT, Status.OK), (HEARTBEAT + 1, Status.STALE)])
def test_an_answer_is_stale_after_its_heartbeat(oracle, feed, stranger, chain, age, status):
    feed.setAnswer(ANSWER, sender=stranger)
    chain.mine(timestamp=feed.latestRoundData()[3] + age)
    assert oracle.peek(MARKET)[:2] == (PRICE, status)
    if status == Status.STALE:
        assert_unavailable(oracle, status, PRICE)
    else:
        assert oracle.price(MARKET) == PRICE


def test_an_answer_from_the_future_is_stale(oracle, feed, stranger, chain):
    feed.setAnswerAt(ANSWER, now(chain) + 1_000, sender=stranger)
    assert_unavailable(oracle, Status.STALE, PRICE)
    chain.mine(timestamp=feed.latestRoundData()[3])
    assert oracle.price(MARKET) == PRICE


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (MIN_PRICE // 10**10 - 1, Status.OUT_OF_BOUNDS),
        (MIN_PRICE // 10**10, Status.OK),
        (MAX_PRICE // 10**10, Status.OK),
        (MAX_PRICE // 10**10 + 1, Status.OUT_OF_BOUNDS),
        (2**120, Status.OUT_OF_BOUNDS),
    ],
)
def test_bounds_are_inclusive(oracle, feed, stranger, answer, status):
    feed.setAnswer(answer, sender=stranger)
    assert oracle.peek(MARKET)[:2] == (answer * 10**10, status)
    if status != Status.OK:
        assert_unavailable(oracle, status, answer * 10**10)


@pytest.mark.parametrize("answer", [0, -1, -(2**100)])
def test_zero_and_negative_answers_are_out_of_bounds(oracle, feed, stranger, answer):
    feed.setAnswer(answer, sender=stranger)
    assert_unavailable(oracle, Status.OUT_OF_BOUNDS)


def test_the_widest_bounds_do_not_overflow(unset_oracle, raw_feed, governor, chain):
    unset_oracle.setFeed(MARKET, raw_feed, HEARTBEAT, 1, UINT128 - 1, sender=governor)
    raw_feed.respondWith(words(1, (UINT128 - 1) // 10**10, 0, now(chain), 1), sender=governor)
    assert unset_oracle.price(MARKET) == (UINT128 - 1) // 10**10 * 10**10
    raw_feed.respondWith(words(1, UINT128 // 10**10 + 1, 0, now(chain), 1), sender=governor)
    assert unset_oracle.peek(MARKET)[:2] == ((UINT128 // 10**10 + 1) * 10**10, Status.OUT_OF_BOUNDS)


# ---- feeds that misbehave


@pytest.mark.parametrize("mode", [Mode.REVERTING, Mode.UNSET_ROUND])
def test_a_feed_without_a_round_is_stale(oracle, feed, stranger, mode):
    feed.setMode(mode, sender=stranger)
    assert_unavailable(oracle, Status.STALE)
    feed.setMode(Mode.LIVE, sender=stranger)
    assert oracle.price(MARKET) == PRICE


@pytest.mark.parametrize("length", [0, 1, 32, 159])
def test_a_short_answer_is_no_answer(raw_oracle, raw_feed, stranger, chain, length):
    raw_feed.respondWith(words(1, ANSWER, 0, now(chain), 1)[:length], sender=stranger)
    assert_unavailable(raw_oracle, Status.STALE)


def test_a_long_answer_is_cut_off(raw_oracle, raw_feed, stranger, chain):
    raw_feed.respondWith(words(1, ANSWER, 0, now(chain), 1) + b"\xff" * 400, sender=stranger)
    assert raw_oracle.price(MARKET) == PRICE


@pytest.mark.parametrize("answer", [2**255 - 1, UINT128, -(2**255)])
def test_answers_at_the_ends_of_the_range_are_out_of_bounds(raw_oracle, raw_feed, stranger, chain, answer):
    raw_feed.respondWith(words(1, answer, 0, now(chain), 1), sender=stranger)
    assert_unavailable(raw_oracle, Status.OUT_OF_BOUNDS)


def test_words_with_dirty_high_bits_are_decoded(raw_oracle, raw_feed, stranger, chain):
    raw_feed.respondWith(words(2**256 - 1, ANSWER, 2**256 - 1, now(chain), 2**255), sender=stranger)
    assert raw_oracle.price(MARKET) == PRICE
    raw_feed.respondWith(words(-1, -1, -1, -1, -1), sender=stranger)
    assert_unavailable(raw_oracle, Status.STALE)


def test_a_feed_that_burns_its_gas_costs_a_bounded_amount(raw_oracle, raw_feed, stranger):
    raw_feed.burnGas(sender=stranger)
    assert_unavailable(raw_oracle, Status.STALE)
    receipt = stranger.transfer(raw_oracle, 0, data=raw_oracle.peek.encode_input(MARKET), gas=1_000_000)
    assert receipt.gas_used < 150_000


def test_a_feed_whose_code_is_gone_is_stale(oracle, feed, chain):
    chain.provider.set_code(feed.address, "0x")
    assert_unavailable(oracle, Status.STALE)


# ---- the sequencer


def test_prices_are_used_while_the_sequencer_is_up(oracle, sequencer):
    assert oracle.sequencerFeed() == (sequencer.address, GRACE)
    assert oracle.price(MARKET) == PRICE


def test_a_sequencer_that_is_down_stops_prices_at_once(oracle, sequencer, stranger, chain):
    sequencer.setAnswer(1, sender=stranger)
    assert_unavailable(oracle, Status.SEQUENCER_DOWN, PRICE)
    chain.mine(deltatime=GRACE + 1)
    assert_unavailable(oracle, Status.SEQUENCER_DOWN, PRICE)


def test_prices_return_a_grace_period_after_the_sequencer(oracle, sequencer, stranger, chain):
    sequencer.setAnswer(1, sender=stranger)
    sequencer.setAnswer(0, sender=stranger)
    returned = now(chain)
    chain.mine(timestamp=returned + GRACE - 1)
    assert_unavailable(oracle, Status.SEQUENCER_DOWN, PRICE)
    chain.mine(timestamp=returned + GRACE)
    assert oracle.price(MARKET) == PRICE


def test_an_unreadable_sequencer_counts_as_down(oracle, sequencer, raw_feed, governor, stranger, chain):
    for mode in (Mode.REVERTING, Mode.UNSET_ROUND):
        sequencer.setMode(mode, sender=stranger)
        assert_unavailable(oracle, Status.SEQUENCER_DOWN, PRICE)
    oracle.setSequencerFeed(raw_feed, 0, sender=governor)
    for response in (b"", words(1, 0, 0, 0), words(1, 0, 0, 0, 1), words(1, 0, 2**256 - 1, 0, 1)):
        raw_feed.respondWith(response, sender=stranger)
        assert_unavailable(oracle, Status.SEQUENCER_DOWN, PRICE)
    raw_feed.respondWith(words(1, 0, now(chain), 0, 1), sender=stranger)
    assert oracle.price(MARKET) == PRICE


def test_the_sequencer_goes_before_other_complaints(oracle, sequencer, feed, stranger):
    sequencer.setAnswer(1, sender=stranger)
    feed.setMode(Mode.REVERTING, sender=stranger)
    assert_unavailable(oracle, Status.SEQUENCER_DOWN)


def test_staleness_goes_before_bounds(oracle, feed, stranger):
    feed.setAnswerAt(0, 1, sender=stranger)
    assert_unavailable(oracle, Status.STALE)


def test_the_sequencer_feed_can_be_removed(oracle, sequencer, governor, stranger):
    sequencer.setAnswer(1, sender=stranger)
    oracle.setSequencerFeed(ZERO_ADDRESS, 0, sender=governor)
    assert oracle.sequencerFeed() == (ZERO_ADDRESS, 0)
    assert oracle.price(MARKET) == PRICE


# ---- governance


def test_set_feed_stores_and_announces(unset_oracle, feed, governor):
    receipt = unset_oracle.setFeed(MARKET, feed, HEARTBEAT, MIN_PRICE, MAX_PRICE, sender=governor)
    assert receipt.events == [
        unset_oracle.FeedSet(
            market=MARKET, feed=feed, heartbeat=HEARTBEAT, minPrice=MIN_PRICE, maxPrice=MAX_PRICE
        )
    ]
    stored = unset_oracle.feedOf(MARKET)
    assert (stored.feed, stored.heartbeat, stored.decimals) == (feed.address, HEARTBEAT, FEED_DECIMALS)
    assert (stored.minPrice, stored.maxPrice) == (MIN_PRICE, MAX_PRICE)


def test_a_feed_can_be_replaced(project, oracle, governor):
    successor = governor.deploy(project.TestFeed, 18, 2 * PRICE)
    oracle.setFeed(MARKET, successor, HEARTBEAT, MIN_PRICE, MAX_PRICE, sender=governor)
    assert oracle.price(MARKET) == 2 * PRICE


def test_set_sequencer_feed_stores_and_announces(unset_oracle, feed, governor):
    receipt = unset_oracle.setSequencerFeed(feed, GRACE, sender=governor)
    assert receipt.events == [unset_oracle.SequencerFeedSet(feed=feed, gracePeriod=GRACE)]
    assert unset_oracle.sequencerFeed() == (feed.address, GRACE)


@pytest.mark.parametrize("heartbeat", [0, 59, 2 * 86_400 + 1])
def test_a_heartbeat_has_bounds(unset_oracle, feed, governor, heartbeat):
    inputs = {"heartbeat": heartbeat, "min": 60, "max": 2 * 86_400}
    with ape.reverts(unset_oracle.HeartbeatOutOfBounds, error_inputs=inputs):
        unset_oracle.setFeed(MARKET, feed, heartbeat, MIN_PRICE, MAX_PRICE, sender=governor)


@pytest.mark.parametrize("heartbeat", [60, 2 * 86_400])
def test_the_ends_of_a_heartbeat_are_allowed(unset_oracle, feed, governor, heartbeat):
    unset_oracle.setFeed(MARKET, feed, heartbeat, MIN_PRICE, MAX_PRICE, sender=governor)
    assert unset_oracle.feedOf(MARKET).heartbeat == heartbeat


@pytest.mark.parametrize(("low", "high"), [(0, MAX_PRICE), (PRICE, PRICE), (PRICE + 1, PRICE), (0, 0)])
def test_bounds_must_be_in_order(unset_oracle, feed, governor, low, high):
    with ape.reverts(unset_oracle.BoundsOutOfOrder, error_inputs={"minPrice": low, "maxPrice": high}):
        unset_oracle.setFeed(MARKET, feed, HEARTBEAT, low, high, sender=governor)


def test_a_feed_of_more_than_eighteen_decimals_is_refused(project, unset_oracle, governor):
    feed = governor.deploy(project.TestFeed, 19, ANSWER)
    with ape.reverts(unset_oracle.DecimalsOutOfBounds, error_inputs={"decimals": 19, "max": 18}):
        unset_oracle.setFeed(MARKET, feed, HEARTBEAT, MIN_PRICE, MAX_PRICE, sender=governor)


def test_a_feed_must_have_an_address_and_code(unset_oracle, governor, stranger):
    with ape.reverts(unset_oracle.ZeroAddress):
        unset_oracle.setFeed(MARKET, ZERO_ADDRESS, HEARTBEAT, MIN_PRICE, MAX_PRICE, sender=governor)
    with ape.reverts():
        unset_oracle.setFeed(MARKET, stranger, HEARTBEAT, MIN_PRICE, MAX_PRICE, sender=governor)
    assert unset_oracle.feedOf(MARKET).feed == ZERO_ADDRESS


def test_a_grace_period_has_a_bound(unset_oracle, feed, governor):
    inputs = {"gracePeriod": 86_401, "max": 86_400}
    with ape.reverts(unset_oracle.GracePeriodOutOfBounds, error_inputs=inputs):
        unset_oracle.setSequencerFeed(feed, 86_401, sender=governor)
    unset_oracle.setSequencerFeed(feed, 86_400, sender=governor)


def test_only_governance_sets_feeds(oracle, feed, stranger):
    with ape.reverts(oracle.AccessManagedUnauthorized, error_inputs={"caller": stranger}):
        oracle.setFeed(MARKET, feed, HEARTBEAT, MIN_PRICE, MAX_PRICE, sender=stranger)
    with ape.reverts(oracle.AccessManagedUnauthorized, error_inputs={"caller": stranger}):
        oracle.setSequencerFeed(feed, GRACE, sender=stranger)


def test_a_governor_with_a_delay_has_to_wait(unset_oracle, feed, authority, governor, chain):
    authority.setTargetFunctionRole(
        unset_oracle, GOVERNOR.selectors("PriceOracle"), GOVERNOR.id, sender=governor
    )
    authority.grantRole(GOVERNOR.id, governor, GOVERNOR.delay, sender=governor)
    call = (MARKET, feed, HEARTBEAT, MIN_PRICE, MAX_PRICE)

    with ape.reverts(authority.AccessManagerNotScheduled):
        unset_oracle.setFeed(*call, sender=governor)
    authority.schedule(unset_oracle, unset_oracle.setFeed.encode_input(*call), 0, sender=governor)
    with ape.reverts(authority.AccessManagerNotReady):
        unset_oracle.setFeed(*call, sender=governor)
    chain.mine(deltatime=GOVERNOR.delay)
    unset_oracle.setFeed(*call, sender=governor)
    assert unset_oracle.feedOf(MARKET).feed == feed.address
