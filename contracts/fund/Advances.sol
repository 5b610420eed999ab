// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {Balances} from "./Balances.sol";

/// @title Advances
/// @notice What skin owes and can't pay at once, since it holds other assets too: the tranches advance it, and whatever comes to skin pays it back.
/// SPECIFICATION.md section 6.3.
/// - While an advance is open skin has no S: an advance is made when skin has none left, and paid back before skin keeps any.
/// - What can't be paid back is written off, once the reserve holds nothing any more, or nothing of value.
abstract contract Advances is Balances {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @dev One slot: the number of defaults when all shares of each were last void. What those before bore belongs to nobody.
    struct WipedThrough {
        uint40 junior;
        uint40 senior;
        uint40 mutual;
    }

    WipedThrough internal _wipedThrough;

    modifier onlyReserve() {
        if (msg.sender != reserve) revert OnlyReserve();
        _;
    }

    // -------------------------------------------------------- for the reserve

    /// @inheritdoc IInsuranceFund
    function fromReserve(uint256 amount, bool holds) external onlyReserve {
        Book memory book = amount == 0 ? _book : _vest();
        _requireCapacity(book, amount);
        emit FromReserve(amount, holds);
        _addToSkin(book, amount);
        if (!holds) {
            if (book.backing == Backing.Advanced) _writeOff(book);
            book.backing = Backing.None;
        } else if (book.backing == Backing.None) book.backing = Backing.Held;
        _book = book;
    }

    /// @inheritdoc IInsuranceFund
    function payForReserve(address to, uint256 amount) external onlyReserve {
        Book memory book = _vest();
        book.skin -= amount.toUint96();
        if (book.backing == Backing.None) book.backing = Backing.Held;
        _book = book;
        emit PaidForReserve(to, amount);
        if (amount > 0) _ASSET.safeTransfer(to, amount);
    }

    // --------------------------------------------------------------- advances

    /// @dev Takes it from the tranches' S and books it as theirs: junior's first.
    function _advance(Book memory book, Owed memory owed, uint256 amount) internal {
        uint256 ofJunior = Math.min(amount, book.junior);
        uint256 ofSenior = amount - ofJunior;
        (book.junior, book.senior) = (book.junior - uint96(ofJunior), book.senior - uint96(ofSenior));
        (owed.junior, owed.senior) = (owed.junior + uint96(ofJunior), owed.senior + uint96(ofSenior));
        (_owed, book.backing) = (owed, Backing.Advanced);
        emit Advanced(ofJunior, ofSenior);
    }

    /// @dev What comes to skin pays advances back first: senior's, then junior's.
    function _addToSkin(Book memory book, uint256 amount) internal {
        Owed memory owed = _owedBy(book);
        uint256 toSenior = Math.min(amount, owed.senior);
        uint256 toJunior = Math.min(amount - toSenior, owed.junior);
        book.skin += uint96(amount - toSenior - toJunior);
        if (toSenior + toJunior == 0) return;
        (owed.junior, owed.senior) = (owed.junior - uint96(toJunior), owed.senior - uint96(toSenior));
        (book.junior, book.senior) = (book.junior + uint96(toJunior), book.senior + uint96(toSenior));
        if (_sum(owed) == 0) book.backing = Backing.Held;
        _owed = owed;
        emit AdvanceRepaid(toJunior, toSenior);
    }

    /// @dev What is open becomes the tranches' loss.
    function _writeOff(Book memory book) internal {
        Owed memory lost = _owed;
        delete _owed;
        book.backing = Backing.Held;
        emit AdvanceWrittenOff(lost.junior, lost.senior);
        if (lost.junior > 0 && book.junior == 0) _wipeJunior(book);
        if (lost.senior > 0 && book.senior == 0) _wipeSenior(book);
    }

    // -------------------------------------------------------------- wipe-outs

    function _wipeJunior(Book memory book) internal {
        book.juniorShared = false;
        _wipedThrough.junior = _settings.defaults;
        emit TrancheWiped(junior, ++book.juniorEpoch);
    }

    function _wipeSenior(Book memory book) internal {
        book.seniorShared = false;
        _wipedThrough.senior = _settings.defaults;
        emit TrancheWiped(senior, ++book.seniorEpoch);
    }
}
