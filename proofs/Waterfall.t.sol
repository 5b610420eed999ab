// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Waterfall} from "../contracts/libraries/Waterfall.sol";

/// @title Proofs of the waterfall (P4)
/// @notice For every shortfall below 2^128, every ratio up to 1, and layers and budgets of any size. The defaulter's own contribution
/// comes first, and what it leaves is split as if there had been none, so the others' order is proven without it.
contract WaterfallProofs {
    uint256 private constant MILLION = 1e6;

    /// @notice The defaulter's contribution pays all it can; here without coinsurance, which comes after it.
    function check_ownComesFirst(uint128 shortfall, Waterfall.Sources memory has) external pure {
        uint256 paid = Waterfall.split(shortfall, 0, has).own;
        assert(paid <= has.own);
        assert(paid <= shortfall);
        assert(paid == has.own || paid == shortfall);
    }

    /// @notice It does with any coinsurance, and the others split what it leaves as if there had been none.
    function testFuzz_ownLeavesTheRest(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        ratio %= uint24(MILLION + 1);
        has.own %= uint256(shortfall) + 2;
        Waterfall.Split memory paid = Waterfall.split(shortfall, ratio, has);
        assert(paid.own == (shortfall < has.own ? shortfall : has.own));
        has.own = 0;
        Waterfall.Split memory rest = Waterfall.split(shortfall - paid.own, ratio, has);
        paid.own = 0;
        assert(keccak256(abi.encode(paid)) == keccak256(abi.encode(rest)));
    }

    /// @notice What the layers pay and the remainder add up to the shortfall, exactly.
    function check_sumIsExact(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = _split(shortfall, ratio, has);
        assert(shortfall - paid.coinsurance - _fund(paid) - paid.mutual - paid.unpaidProfit == paid.remainder);
    }

    /// @notice No layer pays more than it has, and the fund's five no more than the budget.
    function check_nobodyPaysMore(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = _split(shortfall, ratio, has);
        assert(paid.skin <= has.skin);
        assert(paid.unvested <= has.unvested);
        assert(paid.advanced <= has.advance);
        assert(paid.junior <= has.junior);
        assert(paid.senior <= has.senior);
        assert(paid.mutual <= has.mutual);
        assert(_fund(paid) <= has.budget);
        assert(paid.coinsurance + paid.unpaidProfit <= has.unpaidProfit);
    }

    /// @notice Coinsurance is the smaller of unpaid profit and its share of the shortfall, rounded down.
    function check_coinsurance(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        uint256 paid = _split(shortfall, ratio, has).coinsurance;
        uint256 share = uint256(shortfall) * ratio;
        assert(paid * MILLION <= share);
        assert(paid == has.unpaidProfit || share < paid * MILLION + MILLION);
    }

    /// @notice Within the fund a layer pays nothing while the one before has room,
    function check_nextLayerWaits(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = _split(shortfall, ratio, has);
        assert(paid.unvested == 0 || paid.skin == has.skin);
        assert(paid.advanced == 0 || paid.unvested == has.unvested);
        assert(paid.junior == 0 || paid.advanced == has.advance);
        assert(paid.senior == 0 || paid.junior == has.junior);
    }

    /// @notice nor while any before that has.
    function check_laterLayersWait(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = _split(shortfall, ratio, has);
        assert(paid.advanced == 0 || paid.skin == has.skin);
        assert(paid.junior == 0 || paid.skin == has.skin);
        assert(paid.junior == 0 || paid.unvested == has.unvested);
        assert(paid.senior == 0 || paid.skin == has.skin);
        assert(paid.senior == 0 || paid.unvested == has.unvested);
        assert(paid.senior == 0 || paid.advanced == has.advance);
    }

    /// @notice After the fund nobody pays while the fund has both assets and budget, the market's profit not while members may pay, and
    /// open interest not while there is profit.
    function check_orderAfterFund(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = _split(shortfall, ratio, has);
        uint256 after_ = paid.mutual + paid.unpaidProfit + paid.remainder;
        bool spent = _fund(paid) == has.budget;
        assert(after_ == 0 || spent || paid.skin == has.skin);
        assert(after_ == 0 || spent || paid.unvested == has.unvested);
        assert(after_ == 0 || spent || paid.advanced == has.advance);
        assert(after_ == 0 || spent || paid.junior == has.junior);
        assert(after_ == 0 || spent || paid.senior == has.senior);
        assert(paid.unpaidProfit + paid.remainder == 0 || paid.mutual == has.mutual);
        assert(paid.remainder == 0 || paid.coinsurance + paid.unpaidProfit == has.unpaidProfit);
    }

    function _split(
        uint128 shortfall,
        uint24 ratio,
        Waterfall.Sources memory has
    ) private pure returns (Waterfall.Split memory) {
        has.own = 0;
        return Waterfall.split(shortfall, ratio, has);
    }

    function _fund(Waterfall.Split memory paid) private pure returns (uint256) {
        return paid.skin + paid.unvested + paid.advanced + paid.junior + paid.senior;
    }
}
