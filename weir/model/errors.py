"""What the model raises: a class for each custom error of the contracts, same name, same arguments."""

# ruff: noqa: N818  (the names are those of the interfaces)


class Revert(Exception):
    """A refused call. The world is as it was before."""


# ---- ledger


class ZeroAmount(Revert):
    """()"""


class InsufficientCash(Revert):
    """(account, cash, needed)"""


class MaturityOutOfBounds(Revert):
    """(maturity, max)"""


# ---- clearing house


class UnknownMarket(Revert):
    """(market)"""


class MarketNotOpen(Revert):
    """(market)"""


class TooManyMarkets(Revert):
    """(max)"""


class TooManyPositions(Revert):
    """(account, max)"""


class PriceStillLive(Revert):
    """(market)"""


class ClosePriceOutOfBand(Revert):
    """(price, min, max)"""


class NewRiskIsPaused(Revert):
    """(until)"""


class PauseTooLong(Revert):
    """(duration, max)"""


class PauseTooSoon(Revert):
    """(allowedFrom)"""


class ZeroSize(Revert):
    """()"""


class OrderExpired(Revert):
    """(expiry)"""


class OrderGenerationMismatch(Revert):
    """(generation, current)"""


class OrderOverfilled(Revert):
    """(requested, remaining)"""


class OrderReduceOnly(Revert):
    """(maker)"""


class NotMaker(Revert):
    """(caller, maker)"""


class SelfTrade(Revert):
    """(account)"""


class PriceOutsideBand(Revert):
    """(price, mark, band)"""


class AccountInDebt(Revert):
    """(account)"""


class AccountFlagged(Revert):
    """(account)"""


class AccountNotFlagged(Revert):
    """(account)"""


class InitialMarginNotMet(Revert):
    """(account, equity, required)"""


class PositionBelowMinimum(Revert):
    """(account, notional, minNotional)"""


class OpenInterestAboveCap(Revert):
    """(market, openInterest, max)"""


class NothingToFlag(Revert):
    """(account, equity, maintenanceMargin)"""


class NothingToLiquidate(Revert):
    """(account)"""


class NotLiquidatable(Revert):
    """(account, equity, required)"""


class AuctionStillRunning(Revert):
    """(account, endsAt)"""


# ---- funding policy


class NewRiskStopped(Revert):
    """(coverage, stopBelow)"""


class OpenInterestAboveFundCap(Revert):
    """(market, notional, cap)"""


class MembershipRequired(Revert):
    """(account, balance, requirement)"""


class TargetStepTooLarge(Revert):
    """(target, min, max)"""


class TierOutOfBounds(Revert):
    """(account, tier, min, max)"""


class TierTooSoon(Revert):
    """(account, allowedFrom)"""


class EvidenceOutOfOrder(Revert):
    """(block, min, max)"""


# ---- oracle


class PriceUnavailable(Revert):
    """(market)"""


# ---- other stablecoins


class UnknownAsset(Revert):
    """(asset)"""


class NoPrice(Revert):
    """(asset)"""


class CapExceeded(Revert):
    """(asset, total, cap)"""


class CostAboveMax(Revert):
    """(cost, maxCost)"""


# ---- collateral


class InsufficientCollateral(Revert):
    """(account, asset, held, amount)"""


class OpenDefault(Revert):
    """(account, id)"""


class NothingToSell(Revert):
    """(account)"""


class SaleRunning(Revert):
    """(account, endsAt)"""


class SaleNotRunning(Revert):
    """(account)"""


class OwnCollateral(Revert):
    """(account)"""


# ---- fund


class UnknownDefault(Revert):
    """(id)"""


class NothingToRecover(Revert):
    """(id)"""


# ---- reserve


class NothingToConvert(Revert):
    """(asset)"""


class AuctionRunning(Revert):
    """(asset, endsAt)"""


class AuctionNotRunning(Revert):
    """(asset)"""


class OffPeg(Revert):
    """(asset)"""


class PaymentBelowMin(Revert):
    """(paid, minPaid)"""


class AdvancesBacked(Revert):
    """()"""


class AdvanceOpen(Revert):
    """()"""


class NoAdvance(Revert):
    """()"""


# ---- guaranty fund


class BelowMinimum(Revert):
    """(balance, minimum)"""


class NotAMember(Revert):
    """(account)"""


class NoNotice(Revert):
    """(account)"""


class NotReleasable(Revert):
    """(account, from, until)"""


# ---- tranches


class GateClosed(Revert):
    """()"""


class EpochNotOver(Revert):
    """(endsAt)"""


class ZeroShares(Revert):
    """()"""


class InsufficientShares(Revert):
    """(account, shares, needed): ERC20InsufficientBalance"""


class InsufficientAllowance(Revert):
    """(spender, allowance, needed): ERC20InsufficientAllowance"""


class NotOwnerOrOperator(Revert):
    """(caller, owner)"""


class ClaimExceeded(Revert):
    """(wanted, claimable)"""
