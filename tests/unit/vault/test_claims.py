"""Claims: units at an index, write-offs, and the wait before they are cash (SPECIFICATION.md section 2)."""

import pytest

from tests.expect import event, reverts

DAY = 86_400


def totals(ledger, market=0):
    book = ledger.vault.marketLedger(market)
    return book.totalClaims, book.totalClaimUnits


def ceil_div(a, b):
    return -(-a // b)


# ---- the index


@pytest.fixture
def written_down(ledger, trader, stranger):
    """The trader's claims of 1,000 have borne 300: the index is 0.7."""
    ledger.settle(trader, 1_000)
    receipt = ledger.write_off(300, stranger)
    assert event(receipt, "ClaimsWrittenOff") == {"market": 0, "amount": 300, "claimsEpoch": 0}
    return ledger


def test_a_write_off_lowers_the_value_of_all_claims(ledger, trader, other_trader, stranger):
    ledger.settle(trader, 600)
    ledger.settle(other_trader, 400)
    ledger.write_off(500, stranger)
    assert ledger.claims(trader, other_trader) == [300, 200]
    assert totals(ledger) == (500, 1_000)
    assert ledger.vault.net(trader) == 300


def test_new_claims_are_units_at_the_index_rounded_down(written_down, other_trader, trader):
    receipt = written_down.settle(other_trader, 100)
    units = 100 * 1_000 // 700
    assert event(receipt, "ClaimsMinted")["units"] == units == 142
    assert totals(written_down) == (800, 1_142)
    expected = [1_000 * 800 // 1_142, 142 * 800 // 1_142]
    assert written_down.claims(trader, other_trader) == expected == [700, 99]
    value, held, _ = written_down.vault.claimOf(other_trader, 0)
    assert (value, held) == (99, units)


def test_burning_a_part_takes_units_rounded_up(written_down, other_trader, trader):
    written_down.settle(other_trader, 100)
    receipt = written_down.settle(trader, -50)
    units = ceil_div(50 * 1_142, 800)
    assert event(receipt, "ClaimsBurned") == {"account": trader, "market": 0, "amount": 50, "units": units}
    assert units == 72
    assert totals(written_down) == (750, 1_070)
    assert written_down.claims(trader, other_trader) == [928 * 750 // 1_070, 142 * 750 // 1_070]


def test_burning_the_whole_value_takes_all_units(written_down, other_trader, trader):
    written_down.settle(other_trader, 100)
    receipt = written_down.settle(other_trader, -99)
    assert event(receipt, "ClaimsBurned")["units"] == 142
    assert written_down.vault.ledgerMarkets(other_trader) == (0, 0)
    assert totals(written_down) == (701, 1_000)
    written_down.settle(trader, -701)
    assert totals(written_down) == (0, 0)


def test_conversion_pays_claims_at_their_value(written_down, trader, other_trader):
    written_down.fill_pool(other_trader, 500)
    receipt = written_down.settle(trader, 0)
    units = ceil_div(500 * 1_000, 700)
    assert event(receipt, "ClaimsConverted") == {
        "account": trader,
        "market": 0,
        "amount": 500,
        "units": units,
    }
    assert (written_down.vault.cashOf(trader), written_down.pool()) == (500, 0)
    assert totals(written_down) == (200, 1_000 - units)
    written_down.fill_pool(other_trader, 500)
    written_down.settle(trader, 0)
    assert (written_down.vault.cashOf(trader), written_down.pool(), totals(written_down)) == (
        700,
        300,
        (0, 0),
    )


def test_claims_worth_nothing_are_dropped_when_they_convert(ledger, trader, other_trader, stranger):
    ledger.settle(trader, 1)
    ledger.settle(other_trader, 999)
    ledger.write_off(500, stranger)
    ledger.fill_pool(stranger, 100)
    ledger.convert(trader)
    assert (ledger.vault.ledgerMarkets(trader), ledger.vault.cashOf(trader)) == ((0, 0), 0)
    assert (ledger.pool(), totals(ledger)) == (100, (500, 999))


def test_claims_worth_nothing_are_dropped_by_a_loss(ledger, trader, other_trader, stranger):
    ledger.settle(trader, 1)
    ledger.settle(other_trader, 999)
    ledger.write_off(500, stranger)
    assert ledger.claims(trader) == [0]
    ledger.settle(trader, -10)
    assert (ledger.vault.debtOf(trader, 0), ledger.vault.ledgerMarkets(trader)) == (10, (0, 1))
    assert totals(ledger) == (500, 999)


# ---- full write-offs


def test_a_write_off_of_everything_starts_a_new_epoch(ledger, trader, stranger):
    ledger.settle(trader, 1_000)
    receipt = ledger.write_off(1_000, stranger)
    assert event(receipt, "ClaimsWrittenOff") == {"market": 0, "amount": 1_000, "claimsEpoch": 1}
    book = ledger.vault.marketLedger(0)
    assert (book.totalClaims, book.totalClaimUnits, book.claimsEpoch) == (0, 0, 1)
    assert ledger.vault.claimOf(trader, 0) == (0, 0, 0)
    assert ledger.vault.net(trader) == 0


@pytest.mark.parametrize(("rest", "epoch"), [(1, 1), (2, 0)])
def test_a_rest_below_a_billionth_of_the_units_goes_too(ledger, trader, stranger, rest, epoch):
    claims = 2 * 10**9
    ledger.settle(trader, claims)
    ledger.write_off(claims - rest, stranger)
    assert ledger.vault.marketLedger(0).claimsEpoch == epoch
    assert totals(ledger) == ((0, 0) if epoch else (2, claims))
    assert ledger.claims(trader) == [0 if epoch else 2]


def test_units_of_an_earlier_epoch_never_come_back(ledger, trader, other_trader, stranger):
    ledger.settle(trader, 1_000)
    ledger.settle(other_trader, 500)
    ledger.write_off(1_500, stranger)
    ledger.settle(other_trader, 200)
    assert ledger.claims(trader, other_trader) == [0, 200]
    ledger.settle(trader, 50)
    assert ledger.claims(trader, other_trader) == [50, 200]
    assert totals(ledger) == (250, 250)
    ledger.fill_pool(stranger, 1_000)
    for account in (trader, other_trader):
        ledger.settle(account, 0)
    assert [ledger.vault.cashOf(account) for account in (trader, other_trader)] == [50, 200]


def test_a_loss_after_a_full_write_off_is_debt_alone(ledger, trader, stranger):
    ledger.settle(trader, 1_000)
    ledger.write_off(1_000, stranger)
    ledger.settle(trader, -30)
    assert (ledger.vault.debtOf(trader, 0), ledger.vault.net(trader)) == (30, -30)


# ---- maturity


@pytest.fixture
def maturing(ledger, governor, other_trader):
    """Claims of market 0 wait 1,000 seconds; its pool holds plenty."""
    receipt = ledger.vault.setMaturity(0, 1_000, sender=governor)
    assert event(receipt, "MaturitySet") == {"market": 0, "maturity": 1_000}
    ledger.fill_pool(other_trader, 10**9)
    return ledger


def test_claims_wait_until_they_mature(maturing, trader, chain):
    receipt = maturing.settle(trader, 400)
    start = receipt.timestamp
    assert event(receipt, "ClaimsMinted")["maturesAt"] == start + 1_000
    assert maturing.vault.claimOf(trader, 0) == (400, 400, start + 1_000)
    chain.pending_timestamp = start + 999
    maturing.settle(trader, 0)
    assert maturing.vault.cashOf(trader) == 0
    chain.pending_timestamp = start + 1_000
    maturing.settle(trader, 0)
    assert (maturing.vault.cashOf(trader), maturing.vault.claimOf(trader, 0)) == (400, (0, 0, 0))


@pytest.mark.parametrize(
    ("joining", "after", "wait"),
    [
        (100, 400, 700),  # (100 * 1000 + 300 * 600) / 400
        (101, 400, 701),  # 700.7 rounded up
        (100, 1_000, 250),  # the old ones have waited enough
        (100, 5_000, 250),
        (1, 400, 602),  # a small profit hardly postpones a large one: 601.3
    ],
)
def test_joined_claims_wait_for_the_average(maturing, trader, chain, joining, after, wait):
    maturing.settle(trader, 300)
    start = chain.blocks.head.timestamp
    chain.pending_timestamp = start + after
    receipt = maturing.settle(trader, joining)
    minted = event(receipt, "ClaimsMinted")
    assert minted["maturesAt"] == start + after + wait
    assert maturing.claims(trader) == [300 + joining]
    assert maturing.vault.cashOf(trader) == 0


def test_the_average_is_weighted_by_value_after_a_write_off(maturing, trader, stranger, chain):
    maturing.settle(trader, 300)
    start = chain.blocks.head.timestamp
    maturing.write_off(200, stranger)
    chain.pending_timestamp = start + 400
    receipt = maturing.settle(trader, 100)
    # (100 * 1000 + 100 * 600) / 200
    assert event(receipt, "ClaimsMinted")["maturesAt"] == start + 400 + 800


def test_a_new_maturity_applies_to_new_claims(maturing, trader, other_trader, governor, chain):
    maturing.settle(trader, 300)
    start = chain.blocks.head.timestamp
    maturing.vault.setMaturity(0, 0, sender=governor)
    maturing.settle(other_trader, 50)
    assert (maturing.vault.cashOf(other_trader), maturing.claims(other_trader)) == (50, [0])
    assert maturing.vault.claimOf(trader, 0)[2] == start + 1_000


def test_a_maturity_has_a_bound(ledger, governor):
    ledger.vault.setMaturity(0, 7 * DAY, sender=governor)
    assert ledger.vault.marketLedger(0).maturity == 7 * DAY
    with reverts("MaturityOutOfBounds", maturity=7 * DAY + 1, max=7 * DAY):
        ledger.vault.setMaturity(0, 7 * DAY + 1, sender=governor)
