"""Tranche: SPECIFICATION.md section 6, ERC-4626 and ERC-7540, P7; with the fund and a stub clearing house."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.expect import ZERO_ADDRESS, event, events, reverts
from tests.unit.fund_helpers import (
    BTC,
    DAY,
    EPOCH,
    MILLION,
    VIRTUAL_SHARES,
    FundSystem,
    deploy_fund,
    wait,
    wait_until,
)

UINT96, UINT160, UINT256 = 2**96 - 1, 2**160 - 1, 2**256 - 1


@pytest.fixture(scope="module")
def deploy(project: Any, deployer: Any, treasury: Any) -> Any:
    def build(token: str = "TestToken", *arguments: Any) -> FundSystem:
        made = deployer.deploy(getattr(project, token), *(arguments or ("Dollar", "USD", 6)))
        system = deploy_fund(project, deployer, treasury, made)
        system.cover(MILLION)
        return system

    return build


@pytest.fixture(scope="module")
def empty(deploy: Any) -> FundSystem:
    made: FundSystem = deploy()
    return made


@pytest.fixture(scope="module")
def system(deploy: Any, staker: Any, other_staker: Any) -> FundSystem:
    """In the junior tranche the staker has 300 and the other staker 100; the senior tranche has 500."""
    made: FundSystem = deploy()
    made.stake(made.junior, staker, 300)
    made.stake(made.junior, other_staker, 100)
    made.stake(made.senior, staker, 500)
    return made


@pytest.fixture(scope="module")
def junior(system: FundSystem) -> Any:
    return system.junior


def price(tranche: Any) -> int:
    """Units of S, times 1e36, for a share: the number that P7 speaks of."""
    return (tranche.totalAssets() + 1) * 10**36 // (tranche.totalSupply() + VIRTUAL_SHARES)


def request(tranche: Any, owner: Any, shares: int, controller: Any = None) -> int:
    """Requests redemption; returns the batch."""
    receipt = tranche.requestRedeem(shares, controller or owner, owner, sender=owner)
    return int(event(receipt, "RedeemRequest")["requestId"])


def lose(system: FundSystem, tokens: float) -> None:
    """A default that costs the fund this much."""
    system.resolve(system.governor, tokens)


# ---------------------------------------------------------------- construction


def test_metadata(system: FundSystem, junior: Any) -> None:
    assert (junior.name(), junior.symbol(), junior.decimals()) == ("JUN tranche", "JUN", 12)
    assert junior.asset() == system.token.address
    assert junior.fund() == system.fund.address
    assert junior.share() == junior.address
    assert junior.currentBatch() == 1
    assert junior.epochDuration() == EPOCH


def test_a_fund_is_needed(project: Any, empty: FundSystem, deployer: Any) -> None:
    with reverts("ZeroAddress"):
        deployer.deploy(project.Tranche, empty.authority, empty.token, ZERO_ADDRESS, "", "", EPOCH)


@pytest.mark.parametrize("interface", ["0x01ffc9a7", "0x620ee8e4", "0xe3bc4e65", "0x2f0a18c5"])
def test_supported_interfaces(junior: Any, interface: str) -> None:
    """ERC-165, ERC-7540 redemption and operators, ERC-7575."""
    assert junior.supportsInterface(interface)


@pytest.mark.parametrize("interface", ["0xffffffff", "0xce3bbe50"])
def test_unsupported_interfaces(junior: Any, interface: str) -> None:
    """Among them asynchronous deposits, which ERC-7540 leaves open."""
    assert not junior.supportsInterface(interface)


# ----------------------------------------------------------------- governance


@pytest.mark.parametrize("duration", [DAY, 30 * DAY])
def test_epoch_duration(junior: Any, deployer: Any, duration: int) -> None:
    receipt = junior.setEpochDuration(duration, sender=deployer)
    assert event(receipt, "EpochDurationSet") == {"duration": duration}
    assert junior.epochDuration() == duration


@pytest.mark.parametrize("duration", [0, DAY - 1, 30 * DAY + 1])
def test_epoch_duration_has_bounds(
    project: Any, empty: FundSystem, junior: Any, deployer: Any, duration: int
) -> None:
    with reverts("EpochDurationOutOfBounds", duration=duration, min=DAY, max=30 * DAY):
        junior.setEpochDuration(duration, sender=deployer)
    with reverts("EpochDurationOutOfBounds"):
        deployer.deploy(project.Tranche, empty.authority, empty.token, empty.fund, "", "", duration)


def test_only_the_manager_sets_the_epoch_duration(junior: Any, stranger: Any) -> None:
    with reverts("AccessManagedUnauthorized", caller=stranger):
        junior.setEpochDuration(DAY, sender=stranger)


# ---------------------------------------------------------------------- entry


def test_deposit(empty: FundSystem, staker: Any, other_staker: Any) -> None:
    tranche, assets = empty.junior, empty.fill(staker, empty.junior, 10)
    assert tranche.previewDeposit(assets) == assets * VIRTUAL_SHARES
    receipt = tranche.deposit(assets, other_staker, sender=staker)
    shares = assets * VIRTUAL_SHARES
    assert event(receipt, "Deposit") == {
        "sender": staker.address,
        "owner": other_staker.address,
        "assets": assets,
        "shares": shares,
    }
    minted, paid = events(receipt, "Transfer")
    assert minted == {"from": ZERO_ADDRESS, "to": other_staker.address, "value": shares}
    assert paid["to"] == empty.fund.address
    assert tranche.balanceOf(other_staker) == tranche.totalSupply() == shares
    assert tranche.totalAssets() == assets
    assert empty.token.balanceOf(empty.fund) == assets, "S goes to the fund at once"
    assert empty.token.balanceOf(tranche) == 0


def test_mint(system: FundSystem, junior: Any, stranger: Any, attacker: Any) -> None:
    lose(system, 100)  # a share is worth 3/4 of what it was
    system.fill(stranger, junior, 10)
    shares = 4 * 10**12
    assets = junior.previewMint(shares)
    assert assets == -(-shares * (junior.totalAssets() + 1) // (junior.totalSupply() + VIRTUAL_SHARES))
    receipt = junior.mint(shares, attacker, sender=stranger)
    assert event(receipt, "Deposit")["assets"] == assets
    assert junior.balanceOf(attacker) == shares
    assert system.token.balanceOf(stranger) == system.units(10) - assets


def test_conversions_follow_the_assets_that_are_booked(system: FundSystem, junior: Any) -> None:
    lose(system, 100)
    total, supply = junior.totalAssets(), junior.totalSupply()
    assert total == system.units(300)
    for amount in (0, 1, 999_999, 10**12, 7 * 10**14 + 3):
        shares = amount * (supply + VIRTUAL_SHARES) // (total + 1)
        assert junior.convertToShares(amount) == junior.previewDeposit(amount) == shares
        assert junior.convertToAssets(amount) == amount * (total + 1) // (supply + VIRTUAL_SHARES)


def test_a_deposit_must_be_worth_a_share(junior: Any, staker: Any) -> None:
    with reverts("ZeroShares"):
        junior.deposit(0, staker, sender=staker)
    with reverts("ZeroShares"):
        junior.mint(0, staker, sender=staker)


def test_a_deposit_needs_a_receiver(system: FundSystem, junior: Any, staker: Any) -> None:
    system.fill(staker, junior, 1)
    with reverts("ERC20InvalidReceiver", receiver=ZERO_ADDRESS):
        junior.deposit(1, ZERO_ADDRESS, sender=staker)


def test_a_deposit_must_arrive_whole(deploy: Any, staker: Any) -> None:
    system: FundSystem = deploy("FeeToken", 6, 10_000)
    with reverts("InexactTransfer", expected=system.units(100), received=system.units(99)):
        system.stake(system.junior, staker, 100)


def test_limits(system: FundSystem, junior: Any, staker: Any) -> None:
    assert junior.maxDeposit(staker) == system.fund.capacity() == UINT96 - system.units(900)
    assert junior.maxMint(staker) == junior.previewDeposit(junior.maxDeposit(staker))
    system.token.mint(staker, UINT96, sender=staker)
    system.token.approve(junior, UINT256, sender=staker)
    most = junior.maxDeposit(staker)
    with reverts("CapacityExceeded", amount=most + 1, capacity=most):
        junior.deposit(most + 1, staker, sender=staker)
    junior.deposit(most, staker, sender=staker)
    assert junior.maxDeposit(staker) == junior.maxMint(staker) == 0


def test_shares_have_a_cap(deploy: Any, staker: Any) -> None:
    """After a loss of nearly all, shares are so cheap that they, and not the fund, set the limit."""
    system: FundSystem = deploy("TestToken", "Dollar", "USD", 18)
    tranche, whale = system.junior, 10**28
    system.token.mint(staker, 10 * whale, sender=staker)
    system.token.approve(tranche, UINT256, sender=staker)
    tranche.deposit(whale, staker, sender=staker)
    system.house.resolve(staker, BTC, whale - 1, 0, sender=staker)
    assert tranche.shareEpoch() == 0
    free = UINT160 - tranche.totalSupply()
    limit = tranche.maxDeposit(staker)
    assert tranche.previewDeposit(limit) <= tranche.maxMint(staker) == free
    assert tranche.previewDeposit(limit + 1) > free
    with reverts("SupplyCapExceeded", capacity=free):
        tranche.deposit(limit + 1, staker, sender=staker)
    tranche.deposit(limit, staker, sender=staker)


# ----------------------------------------------------------------------- gate


def test_while_an_insolvency_is_known_nobody_enters_or_leaves(
    system: FundSystem, junior: Any, staker: Any
) -> None:
    request(junior, staker, 10**12)
    system.roll(junior)
    request(junior, staker, 10**12)
    system.roll(junior)
    wait(EPOCH)
    system.close_gate()

    system.fill(staker, junior, 1)
    assert junior.maxDeposit(staker) == junior.maxMint(staker) == 0
    with reverts("GateClosed"):
        junior.deposit(1, staker, sender=staker)
    with reverts("GateClosed"):
        junior.mint(10**6, staker, sender=staker)
    with reverts("GateClosed"):
        junior.roll(sender=staker)

    # what has been priced is the claimant's, and a request is not yet an exit
    assert junior.redeem(10**12, staker, staker, sender=staker)
    request(junior, staker, 10**12)

    system.open_gate()
    assert junior.maxDeposit(staker) > 0
    junior.deposit(1, staker, sender=staker)
    junior.roll(sender=staker)


# -------------------------------------------------------------------- requests


def test_request_redeem(junior: Any, staker: Any, stranger: Any) -> None:
    before = junior.balanceOf(staker)
    receipt = junior.requestRedeem(10**12, stranger, staker, sender=staker)
    assert event(receipt, "RedeemRequest") == {
        "controller": stranger.address,
        "owner": staker.address,
        "requestId": 1,
        "sender": staker.address,
        "shares": 10**12,
    }
    assert junior.balanceOf(staker) == before - 10**12
    assert junior.balanceOf(junior) == 10**12, "still in the supply, bearing losses"
    assert junior.pendingRedeemRequest(1, stranger) == 10**12
    assert junior.pendingRedeemRequest(1, staker) == 0
    assert junior.pendingRedeemRequest(0, stranger) == 0
    assert junior.claimableRedeemRequest(1, stranger) == junior.maxRedeem(stranger) == 0
    assert tuple(junior.batch(1)) == (10**12, 0, False)


def test_request_of_nothing_or_for_nobody(junior: Any, staker: Any) -> None:
    with reverts("ZeroShares"):
        junior.requestRedeem(0, staker, staker, sender=staker)
    with reverts("ZeroAddress"):
        junior.requestRedeem(1, ZERO_ADDRESS, staker, sender=staker)


def test_request_of_more_than_there_is(junior: Any, staker: Any) -> None:
    balance = junior.balanceOf(staker)
    with reverts("ERC20InsufficientBalance", sender=staker, balance=balance, needed=balance + 1):
        junior.requestRedeem(balance + 1, staker, staker, sender=staker)


def test_a_request_by_others_needs_an_allowance_or_an_operator(
    junior: Any, staker: Any, stranger: Any, keeper: Any
) -> None:
    with reverts("ERC20InsufficientAllowance", spender=stranger, allowance=0, needed=5):
        junior.requestRedeem(5, stranger, staker, sender=stranger)

    junior.approve(stranger, 8, sender=staker)
    junior.requestRedeem(5, stranger, staker, sender=stranger)
    assert junior.allowance(staker, stranger) == 3

    receipt = junior.setOperator(keeper, True, sender=staker)
    assert event(receipt, "OperatorSet") == {
        "controller": staker.address,
        "operator": keeper.address,
        "approved": True,
    }
    assert junior.isOperator(staker, keeper)
    junior.requestRedeem(5, staker, staker, sender=keeper)
    junior.setOperator(keeper, False, sender=staker)
    with reverts("ERC20InsufficientAllowance"):
        junior.requestRedeem(5, staker, staker, sender=keeper)
    assert tuple(junior.batch(1)) == (10, 0, False)


def test_requests_of_one_batch_add_up(junior: Any, staker: Any, other_staker: Any) -> None:
    request(junior, staker, 3)
    request(junior, staker, 4)
    request(junior, other_staker, 5)
    assert junior.pendingRedeemRequest(1, staker) == 7
    assert tuple(junior.batch(1)) == (12, 0, False)


# -------------------------------------------------------------------- batches


def test_roll_waits_for_the_epoch(junior: Any, stranger: Any) -> None:
    ends_at = junior.lastRollAt() + EPOCH
    with reverts("EpochNotOver", endsAt=ends_at):
        junior.roll(sender=stranger)
    wait_until(ends_at)
    receipt = junior.roll(sender=stranger)
    assert junior.lastRollAt() == receipt.timestamp
    assert junior.currentBatch() == 2
    with reverts("EpochNotOver", endsAt=receipt.timestamp + EPOCH):
        junior.roll(sender=stranger)


def test_notice_is_at_least_one_epoch(system: FundSystem, junior: Any, staker: Any) -> None:
    """Even a request made just before a roll is priced no sooner than one full epoch later."""
    wait_until(junior.lastRollAt() + EPOCH)
    batch = request(junior, staker, 10**12)
    system.roll(junior)
    assert junior.pendingRedeemRequest(batch, staker) == 10**12
    assert not junior.batch(batch).priced
    lose(system, 200)  # borne by those who wait

    receipt = system.roll(junior)
    assets = 10**12 * (system.units(200) + 1) // (400 * 10**12 + VIRTUAL_SHARES)
    assert assets == system.units(0.5)
    assert event(receipt, "BatchPriced") == {"batch": batch, "shares": 10**12, "assets": assets}
    assert tuple(junior.batch(batch)) == (10**12, assets, True)
    assert junior.pendingRedeemRequest(batch, staker) == 0
    assert junior.claimableRedeemRequest(batch, staker) == junior.maxRedeem(staker) == 10**12
    assert junior.maxWithdraw(staker) == assets
    assert system.token.balanceOf(junior) == assets, "out of the layer"
    assert junior.totalAssets() == system.units(200) - assets
    assert junior.balanceOf(junior) == 0, "burnt"
    assert junior.totalSupply() == 399 * 10**12


def test_priced_claims_bear_no_later_loss(system: FundSystem, junior: Any, staker: Any) -> None:
    request(junior, staker, 10**14)
    system.roll(junior)
    system.roll(junior)
    worth = junior.maxWithdraw(staker)
    assert worth == system.units(100)
    lose(system, 1000)
    assert junior.shareEpoch() == 1
    assert junior.maxWithdraw(staker) == worth
    junior.redeem(10**14, staker, staker, sender=staker)
    assert system.token.balanceOf(staker) == worth


def test_waiting_shares_earn_like_others(system: FundSystem, junior: Any, staker: Any, keeper: Any) -> None:
    request(junior, staker, 10**14)
    system.roll(junior)
    system.collect(keeper, 0, levies=100)
    wait(7 * DAY)
    system.roll(junior)
    assert junior.maxWithdraw(staker) == pytest.approx(system.units(115), abs=1)


def test_an_empty_batch_rolls(system: FundSystem, junior: Any) -> None:
    for batch in (0, 1, 2):
        receipt = system.roll(junior)
        assert event(receipt, "BatchPriced") == {"batch": batch, "shares": 0, "assets": 0}
        assert not events(receipt, "Unstaked")
    assert junior.currentBatch() == 4


def test_rolling_an_empty_tranche(empty: FundSystem) -> None:
    empty.roll(empty.junior)
    empty.roll(empty.junior)
    assert empty.junior.totalSupply() == 0


# --------------------------------------------------------------------- claims


@pytest.fixture(scope="module")
def three(deploy: Any, staker: Any, other_staker: Any) -> FundSystem:
    """The staker's requests: 10, 20, 30 shares priced at 1, 1/2, 1/4, and two more that wait."""
    system: FundSystem = deploy()
    tranche = system.junior
    system.stake(tranche, staker, 200)
    system.stake(tranche, other_staker, 200)
    for shares in (10, 20, 30, 40):
        request(tranche, staker, shares * 10**12)
        system.roll(tranche)
        if tranche.currentBatch() > 2:
            lose(system, tranche.totalAssets() / system.unit / 2)
    request(tranche, staker, 50 * 10**12)
    assert [tranche.batch(i).priced for i in range(1, 6)] == [True, True, True, False, False]
    return system


def test_claimable_by_batch(three: FundSystem, staker: Any) -> None:
    tranche = three.junior
    claimable = [tranche.claimableRedeemRequest(i, staker) // 10**12 for i in range(7)]
    pending = [tranche.pendingRedeemRequest(i, staker) // 10**12 for i in range(7)]
    assert claimable == [0, 10, 20, 30, 0, 0, 0]
    assert pending == [0, 0, 0, 0, 40, 50, 0]
    assert tranche.maxRedeem(staker) == 60 * 10**12
    assert tranche.maxWithdraw(staker) == pytest.approx(three.units(10 + 10 + 7.5), abs=3)


def test_redeem_takes_the_oldest_first(three: FundSystem, staker: Any, stranger: Any) -> None:
    tranche, unit = three.junior, three.unit
    receipt = tranche.redeem(15 * 10**12, stranger, staker, sender=staker)
    paid = three.token.balanceOf(stranger)
    assert paid == pytest.approx(12.5 * unit, abs=2)
    assert event(receipt, "Withdraw") == {
        "sender": staker.address,
        "receiver": stranger.address,
        "owner": staker.address,
        "assets": paid,
        "shares": 15 * 10**12,
    }
    assert [tranche.claimableRedeemRequest(i, staker) // 10**12 for i in range(1, 5)] == [0, 15, 30, 0]
    tranche.redeem(45 * 10**12, stranger, staker, sender=staker)
    assert three.token.balanceOf(stranger) == pytest.approx(27.5 * unit, abs=4)
    assert tranche.maxRedeem(staker) == tranche.maxWithdraw(staker) == 0
    assert tranche.pendingRedeemRequest(4, staker) == 40 * 10**12


def test_withdraw_takes_the_oldest_first(three: FundSystem, staker: Any, stranger: Any) -> None:
    tranche, unit = three.junior, three.unit
    first, second = tranche.batch(1), tranche.batch(2)
    wanted = 15 * unit + 1
    part = -(-(wanted - first.assets) * second.shares // second.assets)  # rounded up
    receipt = tranche.withdraw(wanted, stranger, staker, sender=staker)
    assert three.token.balanceOf(stranger) == wanted
    assert event(receipt, "Withdraw")["shares"] == first.shares + part
    assert tranche.claimableRedeemRequest(1, staker) == 0
    assert tranche.claimableRedeemRequest(2, staker) == second.shares - part
    tranche.withdraw(tranche.maxWithdraw(staker), stranger, staker, sender=staker)
    assert tranche.maxWithdraw(staker) == 0


def test_a_withdrawal_rounds_shares_up(system: FundSystem, junior: Any, staker: Any) -> None:
    system.house.resolve(staker, BTC, 123_456_789, 0, sender=staker)
    request(junior, staker, 10**12 + 7)
    system.roll(junior)
    system.roll(junior)
    priced = junior.batch(1)
    exact, rest = divmod(5 * priced.shares, priced.assets)
    assert rest, "the amounts must not divide evenly, or nothing is rounded"
    receipt = junior.withdraw(5, staker, staker, sender=staker)
    assert event(receipt, "Withdraw")["shares"] == exact + 1


def test_everything_can_be_claimed_at_once(three: FundSystem, staker: Any, stranger: Any) -> None:
    worth, shares = three.junior.maxWithdraw(staker), three.junior.maxRedeem(staker)
    three.junior.redeem(shares, stranger, staker, sender=staker)
    assert three.token.balanceOf(stranger) == worth


@pytest.mark.parametrize("kind", ["redeem", "withdraw"])
def test_no_claim_beyond_what_is_priced(three: FundSystem, staker: Any, kind: str) -> None:
    tranche = three.junior
    most = tranche.maxRedeem(staker) if kind == "redeem" else tranche.maxWithdraw(staker)
    with reverts("ClaimExceeded", wanted=most + 1, claimable=most):
        getattr(tranche, kind)(most + 1, staker, staker, sender=staker)


def test_claims_go_on_after_all_requests_were_claimed(three: FundSystem, staker: Any, stranger: Any) -> None:
    tranche = three.junior
    three.roll(tranche)
    three.roll(tranche)
    tranche.redeem(tranche.maxRedeem(staker), stranger, staker, sender=staker)
    batch = request(tranche, staker, 10**12)
    three.roll(tranche)
    request(tranche, staker, 10**12)
    three.roll(tranche)
    three.roll(tranche)
    assert tranche.claimableRedeemRequest(batch, staker) == 10**12
    assert tranche.maxRedeem(staker) == 2 * 10**12
    tranche.redeem(2 * 10**12, stranger, staker, sender=staker)
    assert tranche.maxRedeem(staker) == 0


def test_only_the_controller_or_its_operator_claims(
    three: FundSystem, staker: Any, stranger: Any, keeper: Any
) -> None:
    tranche = three.junior
    for claim in (tranche.redeem, tranche.withdraw):
        with reverts("NotOwnerOrOperator", caller=stranger, owner=staker):
            claim(1, stranger, staker, sender=stranger)
    tranche.approve(stranger, UINT256, sender=staker)
    with reverts("NotOwnerOrOperator"):  # an allowance is for shares that are still the owner's
        tranche.redeem(1, stranger, staker, sender=stranger)
    tranche.setOperator(keeper, True, sender=staker)
    tranche.redeem(10**12, stranger, staker, sender=keeper)
    assert three.token.balanceOf(stranger) == three.units(1)


def test_a_claim_needs_a_receiver(three: FundSystem, staker: Any) -> None:
    with reverts("ZeroAddress"):
        three.junior.redeem(1, ZERO_ADDRESS, staker, sender=staker)


def test_previews_of_an_asynchronous_redemption(junior: Any) -> None:
    for preview in (junior.previewRedeem, junior.previewWithdraw):
        with ape.reverts(junior.AsynchronousRedemption):
            preview(1)


def test_parts_never_pay_more_than_the_whole(three: FundSystem, staker: Any, stranger: Any) -> None:
    tranche = three.junior
    worth = tranche.maxWithdraw(staker)
    for _ in range(3):
        tranche.redeem(20 * 10**12 - 333_333, stranger, staker, sender=staker)
    tranche.redeem(tranche.maxRedeem(staker), stranger, staker, sender=staker)
    assert worth - 4 <= three.token.balanceOf(stranger) <= worth


def test_shares_priced_at_nothing_can_be_claimed(system: FundSystem, junior: Any, staker: Any) -> None:
    system.house.resolve(staker, BTC, system.units(400) - 1, 0, sender=staker)
    request(junior, staker, 10**12)
    system.roll(junior)
    system.roll(junior)
    assert tuple(junior.batch(1)) == (10**12, 0, True)
    assert (junior.maxRedeem(staker), junior.maxWithdraw(staker)) == (10**12, 0)
    with reverts("ClaimExceeded", wanted=1, claimable=0):
        junior.withdraw(1, staker, staker, sender=staker)
    junior.redeem(10**12, staker, staker, sender=staker)
    assert junior.maxRedeem(staker) == 0


def test_what_leaves_the_fund_must_arrive(deploy: Any, staker: Any, stranger: Any) -> None:
    """A token that turns hostile cannot leave the claimants of a batch short."""
    system: FundSystem = deploy("ReentrantToken", 6)
    tranche = system.junior
    system.stake(tranche, staker, 10)
    request(tranche, staker, 10**12)
    system.roll(tranche)
    wait(EPOCH)
    gift = system.token.mint.encode_input(tranche, 1)
    system.token.arm(system.token, gift, sender=stranger)
    with reverts("InexactTransfer", expected=system.units(1), received=system.units(1) + 1):
        tranche.roll(sender=stranger)


# ------------------------------------------------------------------- wipe-out


def test_a_wipe_out_voids_every_share(
    system: FundSystem, junior: Any, staker: Any, other_staker: Any
) -> None:
    request(junior, staker, 10**12)
    system.roll(junior)
    request(junior, staker, 10**12)
    lose(system, 400)
    assert junior.shareEpoch() == 1
    assert junior.totalAssets() == junior.totalSupply() == 0
    for holder in (staker, other_staker, junior):
        assert junior.balanceOf(holder) == 0
    for batch in (1, 2):
        assert junior.pendingRedeemRequest(batch, staker) == 0
        assert junior.batch(batch).shares == 0
    with reverts("ERC20InsufficientBalance"):
        junior.transfer(other_staker, 1, sender=staker)
    with reverts("ERC20InsufficientBalance"):
        junior.requestRedeem(1, staker, staker, sender=staker)
    assert system.senior.balanceOf(staker) == system.units(500) * VIRTUAL_SHARES, (
        "the senior is another matter"
    )


def test_after_a_wipe_out_shares_start_at_the_initial_price(
    system: FundSystem, junior: Any, staker: Any, other_staker: Any
) -> None:
    lose(system, 400)
    assert junior.convertToShares(7) == 7 * VIRTUAL_SHARES
    system.stake(junior, other_staker, 40)
    assert junior.balanceOf(other_staker) == junior.totalSupply() == system.units(40) * VIRTUAL_SHARES
    assert junior.balanceOf(staker) == 0
    junior.transfer(staker, 10**12, sender=other_staker)
    assert junior.balanceOf(staker) == 10**12


def test_void_requests_are_never_priced(
    system: FundSystem, junior: Any, staker: Any, other_staker: Any
) -> None:
    """Requests of a wiped epoch stand beside new ones in one batch; only the new ones are worth anything."""
    request(junior, staker, 10**12)
    request(junior, other_staker, 10**12)
    system.roll(junior)
    request(junior, staker, 10**12)  # batch 2
    lose(system, 400)
    system.stake(junior, other_staker, 50)
    request(junior, other_staker, 5 * 10**12)  # batch 2 again
    assert tuple(junior.batch(2)) == (5 * 10**12, 0, False)

    receipt = system.roll(junior)
    assert event(receipt, "BatchPriced") == {"batch": 1, "shares": 0, "assets": 0}
    receipt = system.roll(junior)
    assert event(receipt, "BatchPriced") == {"batch": 2, "shares": 5 * 10**12, "assets": system.units(5)}

    assert junior.maxRedeem(staker) == junior.maxWithdraw(staker) == 0
    assert [junior.claimableRedeemRequest(i, staker) for i in (1, 2)] == [0, 0]
    assert [junior.claimableRedeemRequest(i, other_staker) for i in (1, 2)] == [0, 5 * 10**12]
    with reverts("ClaimExceeded", wanted=1, claimable=0):
        junior.redeem(1, staker, staker, sender=staker)
    junior.redeem(5 * 10**12, other_staker, other_staker, sender=other_staker)
    assert system.token.balanceOf(other_staker) == system.units(5)
    assert system.token.balanceOf(junior) == 0


def test_a_request_survives_the_wipe_out_of_its_own_older_one(
    system: FundSystem, junior: Any, staker: Any
) -> None:
    """A void request of the same batch is overwritten, one of an older batch passed over."""
    request(junior, staker, 10**12)
    system.roll(junior)
    request(junior, staker, 10**12)
    lose(system, 400)
    system.stake(junior, staker, 50)
    request(junior, staker, 2 * 10**12)
    assert [junior.pendingRedeemRequest(i, staker) for i in (1, 2)] == [0, 2 * 10**12]
    system.roll(junior)
    system.roll(junior)
    junior.withdraw(system.units(2), staker, staker, sender=staker)
    assert system.token.balanceOf(staker) == system.units(2)
    assert junior.maxRedeem(staker) == 0


def test_two_wipe_outs(system: FundSystem, junior: Any, staker: Any, other_staker: Any) -> None:
    request(junior, staker, 10**14)
    system.roll(junior)
    system.roll(junior)  # priced in the first epoch: stays claimable through both wipe-outs
    lose(system, 300)
    system.stake(junior, other_staker, 60)
    request(junior, other_staker, 10**13)
    lose(system, 60)
    assert junior.shareEpoch() == 2
    assert junior.totalSupply() == junior.balanceOf(other_staker) == 0
    system.stake(junior, staker, 30)
    assert junior.totalSupply() == system.units(30) * VIRTUAL_SHARES
    system.roll(junior)
    system.roll(junior)
    assert junior.maxRedeem(other_staker) == 0
    assert junior.maxWithdraw(staker) == system.units(100)
    junior.redeem(10**14, staker, staker, sender=staker)
    assert system.token.balanceOf(staker) == system.units(100)


def test_an_empty_tranche_is_not_wiped_again(system: FundSystem, junior: Any, keeper: Any) -> None:
    """Nobody deposits after the wipe-out: no income arrives either, so there is nothing to wipe."""
    lose(system, 400)
    system.collect(keeper, 0, levies=10)
    wait(7 * DAY)
    assert junior.totalAssets() == 0
    lose(system, 1)
    assert junior.shareEpoch() == 1


# ---------------------------------------------------------------- P7 and games


def test_first_depositor_attack(empty: FundSystem, attacker: Any, staker: Any) -> None:
    """One unit staked and a fortune donated: the next staker still gets what is worth the stake."""
    tranche = empty.junior
    empty.fill(attacker, tranche, 1)
    tranche.deposit(1, attacker, sender=attacker)
    for place in (tranche, empty.fund):
        empty.token.mint(place, empty.units(10**6), sender=attacker)
    empty.stake(tranche, staker, 100)
    assert tranche.balanceOf(staker) == empty.units(100) * VIRTUAL_SHARES
    assert tranche.convertToAssets(tranche.balanceOf(staker)) == empty.units(100)


def test_income_cannot_inflate_a_first_share(empty: FundSystem, attacker: Any, staker: Any) -> None:
    """The only lawful donation is income: even so the virtual shares leave the attacker no gain."""
    tranche = empty.junior
    empty.fill(attacker, tranche, 1)
    tranche.deposit(1, attacker, sender=attacker)
    empty.collect(attacker, 0, levies=1000)
    wait(7 * DAY)
    empty.stake(tranche, staker, 100)
    worth = tranche.convertToAssets(tranche.balanceOf(staker))
    assert empty.units(100) - worth <= empty.units(0.001)
    assert tranche.convertToAssets(tranche.balanceOf(attacker)) < empty.units(1000)


def test_no_income_just_in_time(system: FundSystem, junior: Any, attacker: Any, keeper: Any) -> None:
    """Who stakes right before income arrives has nothing of it in that block, and leaves an epoch later."""
    system.stake(junior, attacker, 400)
    system.collect(keeper, 0, levies=100)
    assert junior.convertToAssets(junior.balanceOf(attacker)) <= system.units(400.01)


def test_price_falls_only_by_a_loss(system: FundSystem, junior: Any, staker: Any, stranger: Any) -> None:
    """P7, through odd amounts, entry, exit, claims, transfers and donations."""
    system.house.resolve(stranger, BTC, 123_456_789, 0, sender=stranger)
    last = price(junior)

    def rises(what: str) -> None:
        nonlocal last
        now = price(junior)
        assert now >= last, what
        last = now

    system.fill(staker, junior, 1000)
    for assets in (1, 7, 999_983, 10**8 + 1):
        junior.deposit(assets, staker, sender=staker)
        rises(f"deposit of {assets}")
    for shares in (1, 10**6 + 1, 10**12 + 7):
        junior.mint(shares, staker, sender=staker)
        rises(f"mint of {shares}")
    junior.transfer(stranger, 12_345, sender=staker)
    rises("transfer")
    for shares in (1, 999_999, 10**13 + 3):
        request(junior, staker, shares)
        rises("request")
        system.roll(junior)
        rises("roll")
    system.roll(junior)
    rises("roll")
    junior.redeem(10**6, staker, staker, sender=staker)
    rises("redeem")
    junior.withdraw(5, staker, staker, sender=staker)
    rises("withdraw")
    system.token.mint(junior, 10**9, sender=stranger)
    system.token.mint(system.fund, 10**9, sender=stranger)
    system.contribute(stranger, 10)
    rises("donation")
    system.collect(stranger, 10, 10)
    wait(DAY)
    rises("income")


def test_the_last_unit_can_leave_before_the_last_share(
    system: FundSystem, junior: Any, staker: Any, other_staker: Any
) -> None:
    """Rounding can take the last unit out while shares are left: no wipe-out, and the price does not fall."""
    system.house.resolve(staker, BTC, system.units(400) - 1, 0, sender=staker)
    request(junior, staker, junior.balanceOf(staker))
    last = price(junior)
    system.roll(junior)
    system.roll(junior)
    assert (junior.totalAssets(), junior.shareEpoch()) == (0, 0)
    assert junior.totalSupply() == junior.balanceOf(other_staker) == 100 * 10**12
    assert price(junior) >= last
    system.stake(junior, staker, 10)
    assert junior.totalAssets() == system.units(10)
    assert price(junior) >= last


def test_the_last_one_out_leaves_no_trap(
    system: FundSystem, junior: Any, staker: Any, other_staker: Any
) -> None:
    """All shares redeemed: what rounding left belongs to the next staker's neighbours, the virtual shares."""
    system.house.resolve(staker, BTC, 123_456_789, 0, sender=staker)
    for holder in (staker, other_staker):
        request(junior, holder, junior.balanceOf(holder))
    system.roll(junior)
    system.roll(junior)
    assert junior.totalSupply() == 0
    assert junior.totalAssets() <= 1
    system.stake(junior, staker, 10)
    worth = junior.convertToAssets(junior.balanceOf(staker))
    assert system.units(10) - 1 <= worth <= system.units(10)


# ----------------------------------------------------------------------- ERC-20


def test_transfer_and_allowance(junior: Any, staker: Any, stranger: Any, keeper: Any) -> None:
    receipt = junior.transfer(stranger, 5, sender=staker)
    assert event(receipt, "Transfer") == {"from": staker.address, "to": stranger.address, "value": 5}
    receipt = junior.approve(keeper, 3, sender=stranger)
    assert event(receipt, "Approval") == {
        "owner": stranger.address,
        "spender": keeper.address,
        "value": 3,
    }
    junior.transferFrom(stranger, keeper, 2, sender=keeper)
    assert (junior.balanceOf(stranger), junior.balanceOf(keeper)) == (3, 2)
    with reverts("ERC20InsufficientAllowance", spender=keeper, allowance=1, needed=2):
        junior.transferFrom(stranger, keeper, 2, sender=keeper)
    junior.approve(keeper, UINT256, sender=stranger)
    junior.transferFrom(stranger, keeper, 3, sender=keeper)
    assert junior.allowance(stranger, keeper) == UINT256, "unlimited stays unlimited"


def test_transfer_to_oneself_keeps_the_balance(junior: Any, staker: Any) -> None:
    before = junior.balanceOf(staker)
    junior.transfer(staker, before, sender=staker)
    assert junior.balanceOf(staker) == before


def test_transfers_have_two_ends(junior: Any, staker: Any, stranger: Any) -> None:
    with reverts("ERC20InvalidReceiver", receiver=ZERO_ADDRESS):
        junior.transfer(ZERO_ADDRESS, 1, sender=staker)
    with reverts("ERC20InvalidSpender", spender=ZERO_ADDRESS):
        junior.approve(ZERO_ADDRESS, 1, sender=staker)
    with reverts("ERC20InsufficientBalance", balance=0, needed=1):
        junior.transfer(staker, 1, sender=stranger)


# ---------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(("TestToken", "Dollar", "USD", 6), id="6 decimals"),
        pytest.param(("TestToken", "Dollar", "USD", 8), id="8 decimals"),
        pytest.param(("TestToken", "Dollar", "USD", 18), id="18 decimals"),
        pytest.param(("SilentToken", 6), id="returns nothing"),
    ],
)
def test_life_of_a_stake(deploy: Any, token: tuple[Any, ...], staker: Any, other_staker: Any) -> None:
    system: FundSystem = deploy(*token)
    tranche = system.junior
    assert tranche.decimals() == system.token.decimals() + 6
    system.stake(tranche, staker, 30)
    system.stake(tranche, other_staker, 10)
    lose(system, 20)
    request(tranche, staker, tranche.balanceOf(staker))
    system.roll(tranche)
    system.roll(tranche)
    assert tranche.maxWithdraw(staker) == system.units(15)
    tranche.redeem(tranche.maxRedeem(staker), staker, staker, sender=staker)
    assert system.token.balanceOf(staker) == system.units(15)
    assert tranche.totalAssets() == system.units(5)
    assert system.token.balanceOf(system.fund) == system.units(5)


def test_a_token_that_calls_back_finds_the_tranche_locked(deploy: Any, staker: Any, stranger: Any) -> None:
    """While a deposit arrives its shares exist and its assets do not: a batch must not be priced then."""
    system: FundSystem = deploy("ReentrantToken", 6)
    tranche = system.junior
    system.stake(tranche, staker, 10)
    request(tranche, staker, 10**12)
    system.roll(tranche)
    wait(EPOCH)
    system.token.arm(tranche, tranche.roll.encode_input(), sender=stranger)
    system.stake(tranche, staker, 10)
    assert system.token.called()
    assert not system.token.succeeded()
    assert not tranche.batch(1).priced
