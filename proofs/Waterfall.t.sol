// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Waterfall} from "../contracts/libraries/Waterfall.sol";

/// @title Proofs of the waterfall (P4)
/// @notice For every shortfall below 2^128, every ratio up to 1, and layers and budgets of any size.
contract WaterfallProofs {
    uint256 private constant MILLION = 1e6;

    /// @notice What the layers pay and the remainder add up to the shortfall, exactly.
    function check_sumIsExact(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = Waterfall.split(shortfall, ratio, has);
        assert(shortfall - paid.coinsurance - _fund(paid) - paid.unpaidProfit == paid.remainder);
    }

    /// @notice No layer pays more than it has, and the fund's four no more than the budget.
    function check_nobodyPaysMore(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = Waterfall.split(shortfall, ratio, has);
        assert(paid.skin <= has.skin);
        assert(paid.unvested <= has.unvested);
        assert(paid.junior <= has.junior);
        assert(paid.senior <= has.senior);
        assert(_fund(paid) <= has.budget);
        assert(paid.coinsurance + paid.unpaidProfit <= has.unpaidProfit);
    }

    /// @notice Coinsurance is the smaller of unpaid profit and its share of the shortfall, rounded down.
    function check_coinsurance(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        uint256 paid = Waterfall.split(shortfall, ratio, has).coinsurance;
        uint256 share = uint256(shortfall) * ratio;
        assert(paid * MILLION <= share);
        assert(paid == has.unpaidProfit || share < paid * MILLION + MILLION);
    }

    /// @notice Within the fund a layer pays nothing while the one before has room,
    function check_nextLayerWaits(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = Waterfall.split(shortfall, ratio, has);
        assert(paid.unvested == 0 || paid.skin == has.skin);
        assert(paid.junior == 0 || paid.unvested == has.unvested);
        assert(paid.senior == 0 || paid.junior == has.junior);
    }

    /// @notice nor while any before that has.
    function check_laterLayersWait(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = Waterfall.split(shortfall, ratio, has);
        assert(paid.junior == 0 || paid.skin == has.skin);
        assert(paid.senior == 0 || paid.skin == has.skin);
        assert(paid.senior == 0 || paid.unvested == has.unvested);
    }

    /// @notice After the fund nobody pays while the fund has both assets and budget, and open interest not while there is profit.
    function check_orderAfterFund(uint128 shortfall, uint24 ratio, Waterfall.Sources memory has) external pure {
        if (ratio > MILLION) return;
        Waterfall.Split memory paid = Waterfall.split(shortfall, ratio, has);
        uint256 after_ = paid.unpaidProfit + paid.remainder;
        bool spent = _fund(paid) == has.budget;
        assert(after_ == 0 || spent || paid.skin == has.skin);
        assert(after_ == 0 || spent || paid.unvested == has.unvested);
        assert(after_ == 0 || spent || paid.junior == has.junior);
        assert(after_ == 0 || spent || paid.senior == has.senior);
        assert(paid.remainder == 0 || paid.coinsurance + paid.unpaidProfit == has.unpaidProfit);
    }

    function _fund(Waterfall.Split memory paid) private pure returns (uint256) {
        return paid.skin + paid.unvested + paid.junior + paid.senior;
    }
}
