"""Other stablecoins: what they count for, which may be listed, and what their units turn into.

SPECIFICATION.md section 2.1; the numbers here are worked by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ape
import pytest

from tests.expect import ZERO_ADDRESS, event, reverts

MILLION = 10**6
DOLLAR = 10**18
YEAR = 31_536_000
FIRST_FEED = 32_768
HEARTBEAT = 3_600
FEED_UNIT = 10**8
LIVE, REVERTING, UNSET_ROUND = range(3)
BURNING_GAS = 2
UINT96, UINT128 = 2**96 - 1, 2**128 - 1

PARAMETERS = {
    "haircut": 100_000,
    "discount": 50_000,
    "weight": 0,
    "maxGrowth": 0,
    "collateralCap": 10**24,
    "reserveCap": 10**23,
}
CONVERSION = {"saleDuration": 1_800, "rebalanceBand": 20_000, "parFloor": 995 * 10**15}


def named(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


def asset_parameters(**changes: int) -> tuple[int, ...]:
    assert changes.keys() <= PARAMETERS.keys()
    return tuple((PARAMETERS | changes).values())


def conversion_parameters(**changes: int) -> tuple[int, ...]:
    assert changes.keys() <= CONVERSION.keys()
    return tuple((CONVERSION | changes).values())


@dataclass(frozen=True)
class Registry:
    """The registry alone, with the oracle it asks, under a governor who acts at once."""

    contract: Any
    oracle: Any
    settlement: Any
    governor: Any

    def coin(self, decimals: int = 18) -> Any:
        return self.governor.deploy(ape.project.TestToken, "Test Coin", "COIN", decimals)

    def raw_share(self, underlying: Any, decimals: int, rate: int) -> Any:
        return self.governor.deploy(ape.project.RawShares, underlying, decimals, rate)

    def set(self, asset: int, token: Any, is_share: bool = False, **changes: int) -> Any:
        return self.contract.setAsset(
            asset, token, is_share, asset_parameters(**changes), sender=self.governor
        )

    def quote(self, asset: int, price: float = 1) -> Any:
        """Gives the asset a feed, good for an hour between 0.1 and 2 dollars."""
        feed = self.governor.deploy(ape.project.TestFeed, 8, round(price * FEED_UNIT))
        self.oracle.setFeed(
            FIRST_FEED + asset, feed, HEARTBEAT, DOLLAR // 10, 2 * DOLLAR, sender=self.governor
        )
        return feed

    def price(self, asset: int = 0) -> int:
        return self.contract.terms(asset).price

    def par(self, asset: int = 0) -> int:
        return self.contract.terms(asset).par


@pytest.fixture
def deploy_registry(project, governor):
    def deploy(decimals: int = 6) -> Registry:
        authority = governor.deploy(project.Authority, governor)
        oracle = governor.deploy(project.PriceOracle, authority)
        settlement = governor.deploy(project.TestToken, "Test Dollar", "tUSD", decimals)
        contract = governor.deploy(
            project.Stablecoins, authority, settlement, oracle, conversion_parameters()
        )
        return Registry(contract, oracle, settlement, governor)

    return deploy


@pytest.fixture
def registry(deploy_registry) -> Registry:
    """S has 6 decimals; nothing is listed."""
    return deploy_registry()


@pytest.fixture
def listed(registry) -> Registry:
    """Asset 0 is a coin of 18 decimals, quoted at a dollar."""
    registry.set(0, registry.coin())
    registry.quote(0)
    return registry


# ---- a stablecoin's price


@pytest.mark.parametrize(
    ("quoted", "price"),
    [(0.1, 10**17), (0.97, 97 * 10**16), (0.99999999, DOLLAR - 10**10), (1, DOLLAR), (1.03, DOLLAR)],
)
def test_a_coin_counts_for_its_price_and_never_more_than_a_dollar(listed, quoted, price):
    listed.quote(0, quoted)
    assert (listed.par(), listed.price()) == (price, price)


def test_without_a_feed_a_coin_counts_for_nothing(registry):
    coin = registry.coin()
    registry.set(0, coin)
    terms = registry.contract.terms(0)
    assert (terms.par, terms.price) == (0, 0)
    # What does not depend on the price is there.
    assert (terms.token, terms.scale, terms.parameters.haircut) == (coin, 10**30, 100_000)


@pytest.mark.parametrize("mode", [REVERTING, UNSET_ROUND])
def test_a_feed_that_does_not_answer_is_no_price(listed, governor, mode):
    feed = listed.quote(0)
    feed.setMode(mode, sender=governor)
    assert (listed.par(), listed.price()) == (0, 0)
    feed.setMode(LIVE, sender=governor)
    assert listed.price() == DOLLAR


@pytest.mark.parametrize("answer", [-1, 0, FEED_UNIT // 10 - 1, 2 * FEED_UNIT + 1])
def test_an_answer_out_of_bounds_is_no_price(listed, governor, answer):
    """Not even a dollar, where it is above them."""
    listed.quote(0).setAnswer(answer, sender=governor)
    assert (listed.par(), listed.price()) == (0, 0)


@pytest.mark.parametrize(("age", "price"), [(HEARTBEAT, DOLLAR), (HEARTBEAT + 1, 0)])
def test_a_stale_answer_is_no_price(listed, chain, age, price):
    answered = listed.quote(0).latestRoundData()[3]
    chain.mine(timestamp=answered + age)
    assert (listed.par(), listed.price()) == (price, price)


def test_while_the_sequencer_is_down_nothing_has_a_price(listed, project, governor, chain):
    sequencer = governor.deploy(project.TestFeed, 0, 0)
    listed.oracle.setSequencerFeed(sequencer, 60, sender=governor)
    chain.mine(deltatime=60)
    assert listed.price() == DOLLAR
    sequencer.setAnswer(1, sender=governor)
    assert listed.price() == 0


def test_each_asset_has_its_own_feed_after_those_of_markets(listed):
    listed.set(1, listed.coin())
    assert listed.price(1) == 0
    listed.quote(1, 0.9)
    assert (listed.price(0), listed.price(1)) == (DOLLAR, 9 * 10**17)
    assert listed.oracle.peek(32_769)[0] == 9 * 10**17


@pytest.mark.parametrize(
    ("decimals", "of_settlement", "scale"),
    [
        (0, 6, 10**12),
        (6, 6, 10**18),
        (18, 6, 10**30),
        (0, 18, 1),
        (6, 18, 10**6),
        (18, 18, 10**18),
    ],
)
def test_a_whole_token_is_worth_its_price_whatever_the_decimals(
    deploy_registry, decimals, of_settlement, scale
):
    """Three of them at 0.98 are 2.94 S."""
    registry = deploy_registry(of_settlement)
    registry.set(0, registry.coin(decimals))
    registry.quote(0, 0.98)
    terms = registry.contract.terms(0)
    assert terms.scale == scale
    assert 3 * 10**decimals * terms.price // scale == 294 * 10**of_settlement // 100


# ---- a share's price


def test_a_share_of_the_settlement_token_needs_no_feed(registry):
    """It has 18 decimals; 10^18 of its units are 1.05 S."""
    registry.set(0, registry.raw_share(registry.settlement, 18, 1_050_000), True)
    terms = registry.contract.terms(0)
    assert (terms.par, terms.price, terms.scale) == (DOLLAR, 105 * 10**16, 10**30)
    # 2 shares are worth 2.1 S.
    assert 2 * 10**18 * terms.price // terms.scale == 2_100_000


def test_a_share_of_a_coin_counts_for_the_coin(registry):
    """1.1 of a coin that stands at 0.98: at most a dollar holds for the coin, not for its share."""
    coin = registry.coin(18)
    registry.set(0, registry.raw_share(coin, 6, 11 * 10**17), True)
    assert registry.price() == 0
    feed = registry.quote(0, 0.98)
    assert (registry.par(), registry.price()) == (98 * 10**16, 1_078 * 10**15)
    feed.setAnswer(105_000_000, sender=registry.governor)
    assert (registry.par(), registry.price()) == (DOLLAR, 11 * 10**17)
    feed.setMode(REVERTING, sender=registry.governor)
    assert (registry.par(), registry.price()) == (0, 0)


def test_a_share_s_price_is_rounded_down(registry):
    """A coin of 18 decimals at 0.99999999: 7 x 999,999,990,000,000,000 / 10^18 is 6.99999993."""
    registry.set(0, registry.raw_share(registry.coin(18), 0, 7), True)
    registry.quote(0, 0.99999999)
    assert registry.price() == 6


def test_a_share_falls_at_once(registry, project, governor, trader):
    share = governor.deploy(project.TestShares, registry.settlement, "Test Share", "SHARE")
    deposit_into(registry, share, trader, 100_000_000)
    registry.set(0, share, True, maxGrowth=200_000)
    assert registry.price() == DOLLAR
    share.lose(40_000_000, sender=governor)
    # (60,000,000 + 1) / (100,000,000 + 1) of a unit each, for 10^6 shares: 600,000 rounded down.
    assert registry.price() == 6 * 10**17


def deposit_into(registry, share, account, amount):
    registry.settlement.mint(account, amount, sender=account)
    registry.settlement.approve(share, amount, sender=account)
    share.deposit(amount, account, sender=account)


@pytest.mark.parametrize(
    ("elapsed", "price"),
    [
        # 10% a year: one millionth takes 315.36 seconds.
        (315, 1_000_000),
        (316, 1_000_001),
        (YEAR // 2, 1_050_000),
        (YEAR, 1_100_000),
        (10 * YEAR, 2_000_000),
        (20 * YEAR, 2_000_001),
    ],
)
def test_a_gift_to_the_vault_raises_no_more_than_was_foreseen(
    registry, project, governor, trader, chain, elapsed, price
):
    """What the vault holds is doubled, and a little more; a share may grow by 10% of its rate a year."""
    share = governor.deploy(project.TestShares, registry.settlement, "Test Share", "SHARE")
    deposit_into(registry, share, trader, 1_000_000)
    since = registry.set(0, share, True, maxGrowth=100_000).timestamp
    assert registry.contract.asset(0).since == since
    registry.settlement.mint(share, 1_000_003, sender=governor)
    assert share.convertToAssets(1_000_000) == 2_000_001
    assert registry.price() == DOLLAR
    chain.mine(timestamp=since + elapsed)
    assert registry.price() == price * 10**12


def test_a_share_grows_as_its_vault_says_where_that_is_less(registry, chain):
    share = registry.raw_share(registry.settlement, 6, 1_000_000)
    since = registry.set(0, share, True, maxGrowth=100_000).timestamp
    share.setRate(1_049_999, sender=registry.governor)
    chain.mine(timestamp=since + YEAR // 2)
    assert registry.price() == 1_049_999 * 10**12


def test_without_growth_a_share_never_rises(registry, chain):
    share = registry.raw_share(registry.settlement, 6, 1_000_000)
    registry.set(0, share, True, maxGrowth=0)
    share.setRate(1_000_001, sender=registry.governor)
    chain.mine(deltatime=10 * YEAR)
    assert registry.price() == DOLLAR


def test_setting_parameters_takes_the_rate_anew(registry, chain):
    """Up or down: from then on it grows from there."""
    share = registry.raw_share(registry.settlement, 6, 1_000_000)
    registry.set(0, share, True, maxGrowth=100_000)
    for rate in (1_500_000, 700_000):
        share.setRate(rate, sender=registry.governor)
        receipt = registry.set(0, share, True, maxGrowth=100_000)
        told = event(receipt, "AssetSet")
        assert (told["rate"], told["since"]) == (rate, receipt.timestamp)
        asset = registry.contract.asset(0)
        assert (asset.rate, asset.since) == (rate, receipt.timestamp)
        assert registry.price() == rate * 10**12
    share.setRate(2_000_000, sender=registry.governor)
    chain.mine(timestamp=receipt.timestamp + YEAR // 2)
    assert registry.price() == 735_000 * 10**12


def test_the_price_of_a_share_has_a_largest_value(registry):
    """2^96 - 1 units of a coin without decimals, at a dollar, is more than 2^128 - 1."""
    registry.set(0, registry.raw_share(registry.coin(0), 0, UINT96), True)
    registry.quote(0, 1)
    assert registry.price() == UINT128


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


@pytest.mark.parametrize(
    "response",
    [b"", word(1_000_000)[:31], word(0)],
    ids=["nothing", "too little", "zero"],
)
def test_a_vault_that_answers_too_little_counts_for_nothing(registry, response):
    share = registry.raw_share(registry.settlement, 6, 1_000_000)
    registry.set(0, share, True)
    share.respondWith(response, sender=registry.governor)
    assert (registry.par(), registry.price()) == (DOLLAR, 0)


@pytest.mark.parametrize("mode", [1, BURNING_GAS], ids=["reverting", "burning gas"])
def test_a_vault_that_fails_counts_for_nothing(registry, mode):
    share = registry.raw_share(registry.settlement, 6, 1_000_000)
    registry.set(0, share, True)
    share.setMode(mode, sender=registry.governor)
    assert (registry.par(), registry.price()) == (DOLLAR, 0)
    share.setMode(0, sender=registry.governor)
    assert registry.price() == DOLLAR


def test_a_vault_that_is_gone_counts_for_nothing(registry):
    share = registry.raw_share(registry.settlement, 6, 1_000_000)
    registry.set(0, share, True)
    ape.chain.provider.set_code(share.address, "0x")
    assert registry.price() == 0


def test_a_vault_burns_no_more_gas_than_it_is_given(registry):
    share = registry.raw_share(registry.settlement, 6, 1_000_000)
    registry.set(0, share, True)
    share.setMode(BURNING_GAS, sender=registry.governor)
    call = registry.contract.terms.encode_input(0)
    receipt = registry.governor.transfer(registry.contract, 0, data=call, gas_limit=10_000_000)
    assert 220_000 < receipt.gas_used < 280_000


@pytest.mark.parametrize(
    ("response", "price"),
    [
        # The largest number there is: no more than the rate it was listed with.
        (b"\xff" * 32, 1_000_000),
        (b"\xff" * 320, 1_000_000),
        # One word counts, whatever follows.
        (word(900_000) + b"\xff" * 288, 900_000),
    ],
    ids=["much", "much and long", "long"],
)
def test_a_vault_that_answers_nonsense_stops_nothing(registry, response, price):
    share = registry.raw_share(registry.settlement, 6, 1_000_000)
    registry.set(0, share, True)
    share.respondWith(response, sender=registry.governor)
    assert registry.price() == price * 10**12


# ---- listing


def test_a_coin_is_listed_with_its_parameters(registry):
    coin = registry.coin(8)
    values = asset_parameters(weight=300_000, maxGrowth=7)
    receipt = registry.set(0, coin, weight=300_000, maxGrowth=7)
    log = event(receipt, "AssetSet")
    assert (log["asset"], log["token"], log["rate"], log["since"]) == (0, coin.address, 0, 0)
    assert tuple(log["parameters"]) == values
    asset = registry.contract.asset(0)
    assert (asset.token, asset.decimals, asset.isShare, asset.ofSettlement) == (coin, 8, False, False)
    assert (asset.underlyingDecimals, asset.since, asset.rate) == (0, 0, 0)
    assert tuple(asset.parameters) == tuple(registry.contract.terms(0).parameters) == values
    assert registry.contract.assetCount() == 1


def test_a_share_is_listed_with_what_it_is_of(registry):
    coin = registry.coin(4)
    for i, (underlying, decimals, of_settlement) in enumerate(
        [(registry.settlement, 6, True), (coin, 4, False)]
    ):
        share = registry.raw_share(underlying, 12, 1_234)
        assert event(registry.set(i, share, True), "AssetSet")["rate"] == 1_234
        asset = registry.contract.asset(i)
        assert (asset.token, asset.decimals, asset.isShare) == (share, 12, True)
        assert (asset.underlyingDecimals, asset.ofSettlement) == (decimals, of_settlement)
        assert asset.rate == 1_234


def test_the_wiring(registry, project, governor):
    contract = registry.contract
    assert (contract.settlement(), contract.oracle()) == (registry.settlement, registry.oracle)
    assert contract.assetCount() == 0
    assert tuple(contract.conversionParameters()) == conversion_parameters()
    authority = contract.authority()
    for settlement, oracle in ((ZERO_ADDRESS, registry.oracle), (registry.settlement, ZERO_ADDRESS)):
        with reverts("ZeroAddress"):
            governor.deploy(project.Stablecoins, authority, settlement, oracle, conversion_parameters())


def test_only_the_governor_lists_and_sets(listed, stranger):
    contract = listed.contract
    with reverts("AccessManagedUnauthorized", caller=stranger):
        contract.setAsset(1, listed.settlement, False, asset_parameters(), sender=stranger)
    with reverts("AccessManagedUnauthorized", caller=stranger):
        contract.setConversionParameters(conversion_parameters(), sender=stranger)


def test_assets_are_numbered_one_after_the_other(listed):
    with reverts("UnknownAsset", asset=2):
        listed.set(2, listed.coin())
    for view in (listed.contract.asset, listed.contract.terms):
        with ape.reverts(listed.contract.UnknownAsset, error_inputs={"asset": 1}):
            view(1)


def test_there_are_at_most_eight(registry):
    for i in range(8):
        registry.set(i, registry.coin())
    with reverts("TooManyAssets", max=8):
        registry.set(8, registry.coin())
    assert registry.contract.assetCount() == 8
    # Those that are listed can be set as ever.
    registry.set(7, registry.contract.asset(7).token, haircut=200_000)
    assert registry.contract.asset(7).parameters.haircut == 200_000


def test_an_asset_stays_the_token_it_is(listed):
    token = listed.contract.asset(0).token
    with reverts("TokenFixed", asset=0, token=token):
        listed.set(0, listed.coin())
    with reverts("TokenFixed", asset=0, token=token):
        listed.set(0, token, True)
    share = listed.raw_share(listed.settlement, 6, 1_000_000)
    listed.set(1, share, True)
    with reverts("TokenFixed", asset=1, token=share):
        listed.set(1, share, False)
    with reverts("TokenFixed", asset=1, token=share):
        listed.set(1, token, False)


def test_a_token_is_listed_once(listed):
    token = listed.contract.asset(0).token
    for is_share in (False, True):
        with reverts("TokenListed", token=token):
            listed.set(1, token, is_share)


def test_the_settlement_token_is_no_other_stablecoin(registry):
    with reverts("TokenListed", token=registry.settlement):
        registry.set(0, registry.settlement)


def test_an_asset_has_a_token(registry, stranger):
    with reverts("ZeroAddress"):
        registry.set(0, ZERO_ADDRESS)
    with reverts(""):
        registry.set(0, stranger)  # nothing lies there
    with reverts(""):
        registry.set(0, registry.coin(), True)  # it is a share of nothing


@pytest.mark.parametrize(("decimals", "of"), [(19, None), (6, 19), (19, 6)])
def test_decimals_have_a_bound(registry, decimals, of):
    token = registry.coin(decimals) if of is None else registry.raw_share(registry.coin(of), decimals, 1)
    with reverts("DecimalsOutOfBounds", decimals=19, max=18):
        registry.set(0, token, of is not None)
    assert registry.contract.assetCount() == 0


def test_eighteen_decimals_are_in_bounds(registry):
    registry.set(0, registry.raw_share(registry.coin(18), 18, DOLLAR), True)
    registry.quote(0)
    assert registry.price() == DOLLAR


@pytest.mark.parametrize("rate", [0, UINT96 + 1])
def test_a_share_is_listed_at_a_rate_that_can_be_kept(registry, rate):
    share = registry.raw_share(registry.settlement, 6, rate)
    with reverts("RateOutOfBounds", rate=rate, min=1, max=UINT96):
        registry.set(0, share, True)
    share.setRate(min(max(rate, 1), UINT96), sender=registry.governor)
    registry.set(0, share, True)


def test_a_share_that_does_not_answer_can_be_set_and_keeps_its_rate(registry):
    """Its caps most of all: nobody should pledge more of it then."""
    share = registry.raw_share(registry.settlement, 6, 1_000_000)
    since = registry.set(0, share, True).timestamp
    share.setMode(1, sender=registry.governor)
    registry.set(0, share, True, haircut=200_000, collateralCap=0)
    asset = registry.contract.asset(0)
    assert (asset.parameters.haircut, asset.parameters.collateralCap) == (200_000, 0)
    assert (asset.rate, asset.since) == (1_000_000, since)


# ---- bounds of an asset's parameters


@pytest.mark.parametrize(
    ("name", "value", "low", "high", "others"),
    [
        ("haircut", 999, 1_000, 900_000, {"discount": 1_000}),
        ("haircut", 900_001, 1_000, 900_000, {}),
        ("discount", 999, 1_000, 100_000, {}),
        ("discount", 100_001, 1_000, 100_000, {}),  # the haircut
        ("discount", 200_001, 1_000, 200_000, {"haircut": 300_000}),
        ("maxGrowth", 1_000_001, 0, 1_000_000, {}),
        ("weight", 1_000_001, 0, 1_000_000, {}),
    ],
)
def test_parameters_have_bounds(listed, name, value, low, high, others):
    token = listed.contract.asset(0).token
    before = tuple(listed.contract.asset(0).parameters)
    with reverts("ParameterOutOfBounds", name=named(name), value=value, min=low, max=high):
        listed.set(0, token, **(others | {name: value}))
    with reverts("ParameterOutOfBounds", name=named(name), value=value, min=low, max=high):
        listed.set(1, listed.coin(), **(others | {name: value}))
    assert tuple(listed.contract.asset(0).parameters) == before


@pytest.mark.parametrize(
    "values",
    [
        {
            "haircut": 1_000,
            "discount": 1_000,
            "weight": 0,
            "maxGrowth": 0,
            "collateralCap": 0,
            "reserveCap": 0,
        },
        {
            "haircut": 900_000,
            "discount": 200_000,
            "weight": 1_000_000,
            "maxGrowth": 1_000_000,
            "collateralCap": UINT96,
            "reserveCap": UINT96,
        },
    ],
)
def test_bounds_are_inclusive(listed, values):
    listed.set(0, listed.contract.asset(0).token, **values)
    assert tuple(listed.contract.asset(0).parameters) == tuple(values.values())


def test_weights_together_claim_at_most_everything(listed):
    token = listed.contract.asset(0).token
    listed.set(0, token, weight=600_000)
    other = listed.coin()
    with reverts("ParameterOutOfBounds", name=named("weight"), value=400_001, min=0, max=400_000):
        listed.set(1, other, weight=400_001)
    listed.set(1, other, weight=400_000)
    # An asset's own weight does not count against it.
    listed.set(0, token, weight=600_000)
    with reverts("ParameterOutOfBounds", name=named("weight"), value=600_001, max=600_000):
        listed.set(0, token, weight=600_001)
    with reverts("ParameterOutOfBounds", name=named("weight"), value=1, max=0):
        listed.set(2, listed.coin(), weight=1)


# ---- the parameters of the auction


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("saleDuration", 60, 86_400),
        ("rebalanceBand", 0, MILLION),
        ("parFloor", DOLLAR // 2, DOLLAR),
    ],
)
def test_the_auction_s_parameters_have_bounds(registry, project, governor, name, low, high):
    contract = registry.contract
    for good in (low, high):
        values = conversion_parameters(**{name: good})
        receipt = contract.setConversionParameters(values, sender=governor)
        assert tuple(event(receipt, "ConversionParametersSet")["parameters"]) == values
        assert tuple(contract.conversionParameters()) == values
    for bad in {max(low - 1, 0), high + 1} - {low}:
        values = conversion_parameters(**{name: bad})
        wrong = {"name": named(name), "value": bad, "min": low, "max": high}
        with reverts("ParameterOutOfBounds", **wrong):
            contract.setConversionParameters(values, sender=governor)
        with reverts("ParameterOutOfBounds", **wrong):
            governor.deploy(
                project.Stablecoins, contract.authority(), registry.settlement, registry.oracle, values
            )
    assert contract.conversionParameters()[list(CONVERSION).index(name)] == high


# ---- what units turn into


@pytest.fixture
def conversion(project, governor) -> Any:
    return governor.deploy(project.ConversionHarness)


def terms_of(price: int, scale: int, **changes: int) -> tuple[Any, ...]:
    return (ZERO_ADDRESS, DOLLAR, price, scale, asset_parameters(**changes))


def test_worth_and_value_are_rounded_down_and_cost_up(conversion):
    """10.000001 units of 6 decimals at 0.333333: worth 3.333330333333; S has 6 decimals."""
    terms = terms_of(333_333 * 10**12, 10**18)
    worth, value, cost, payment = conversion.worth(terms, 10_000_001, 950_000)
    assert worth == 3_333_330  # .333333
    assert value == 2_999_997  # 3,333,330 less 10%
    # 95%: 3,166,663.8166...
    assert (cost, payment) == (3_166_664, 3_166_663)


def test_value_is_of_what_is_left_of_worth(conversion):
    """Rounded twice: 1.9 units are worth 1, of which 90% are 0."""
    assert conversion.worth(terms_of(19 * 10**17, 10**18), 1, MILLION) == (1, 0, 2, 1)


def test_what_comes_out_even_is_not_rounded(conversion):
    terms = terms_of(DOLLAR, 10**30)
    assert conversion.worth(terms, 100 * 10**18, 950_000) == (100_000_000, 90_000_000, 95_000_000, 95_000_000)
    assert conversion.units(terms, 95_000_000, 950_000) == (100 * 10**18, 100 * 10**18)


def test_nothing_costs_nothing(conversion):
    terms = terms_of(DOLLAR, 10**30)
    assert conversion.worth(terms, 0, MILLION) == (0, 0, 0, 0)
    assert conversion.units(terms, 0, MILLION) == (0, 0)
    assert conversion.worth(terms_of(0, 10**30), 10**18, MILLION) == (0, 0, 0, 0)


def test_a_wei_costs_a_unit(conversion):
    assert conversion.worth(terms_of(DOLLAR, 10**30), 1, MILLION) == (0, 0, 1, 0)


@pytest.mark.parametrize(
    ("amount", "price", "f", "up", "down"),
    [
        # 100 / 0.95 = 105.263157894...
        (100_000_000, DOLLAR, 950_000, 105_263_158, 105_263_157),
        # 1 / (0.97 x 1.05) = 0.981836...
        (1_000_000, 97 * 10**16, 1_050_000, 981_837, 981_836),
        # A token that is worth three units: one of S needs a whole unit of it, and buys none.
        (1, 3 * DOLLAR, MILLION, 1, 0),
        (3, 3 * DOLLAR, MILLION, 1, 1),
    ],
)
def test_units_are_the_fewest_that_pay_and_the_most_that_are_paid(conversion, amount, price, f, up, down):
    terms = terms_of(price, DOLLAR)
    assert conversion.units(terms, amount, f) == (up, down)
    # The fewest cost at least that, and one less would not.
    assert conversion.worth(terms, up, f)[2] >= amount
    assert conversion.worth(terms, up - 1, f)[3] < amount
    # The most are paid at most that, and one more would be more.
    assert conversion.worth(terms, down, f)[3] <= amount
    assert (down + 1) * price * f > amount * DOLLAR * MILLION


def test_the_largest_numbers_fit(conversion):
    terms = terms_of(UINT128, 1)
    most = UINT96 * UINT128
    assert conversion.worth(terms, UINT96, MILLION) == (most, most * 900_000 // MILLION, most, most)
    assert conversion.units(terms_of(1, 10**36), 10**33, 800_000)[0] == 10**69 * MILLION // 800_000


@pytest.mark.parametrize(
    ("elapsed", "off"),
    [(0, 0), (1, 27), (36, 1_000), (900, 25_000), (1_799, 49_972), (1_800, 50_000), (9_999, 50_000)],
)
def test_the_auction_s_price_moves_from_par_to_the_discount(conversion, chain, elapsed, off):
    """50,000 ppm in 1,800 seconds: 27.77 a second."""
    now = chain.blocks.head.timestamp
    assert conversion.off(terms_of(DOLLAR, DOLLAR), now - elapsed, 1_800) == off


def test_an_auction_lasts_twice_as_long_as_its_price_falls(conversion):
    assert conversion.endOf(1_000_000, 1_800) == 1_003_600
    # One that was never started has ended.
    assert conversion.endOf(0, 1_800) == 0
