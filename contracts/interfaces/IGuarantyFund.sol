// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title The guaranty fund
/// @notice What its members have contributed, in S: a defaulting member's own contribution pays before everything else, those of the others
/// after the insurance fund's tranches, pro rata. No role can withdraw from it. SPECIFICATION.md section 6.2 fixes the arithmetic.
/// @dev Amounts: units of S. Ratios: ppm. A balance is held in units at the index total / units.
interface IGuarantyFund {
    // ------------------------------------------------------------------ types

    /// @notice One slot.
    struct Parameters {
        uint96 minContribution; // units of S: no smaller balance is made
        uint32 noticePeriod; // seconds from a notice to the first moment of its release
        uint32 exitWindow; // seconds in which it can be released
        uint32 lossWindow; // seconds for which a market's loss budget is opened
        uint24 lossShare; // ppm of the total: the most that members pay for a market in such a window
    }

    /// @notice Present, with nothing that has been written off.
    struct Member {
        uint256 balance;
        uint256 noticed; // part of the balance that is to leave; 0: no notice
        uint256 opensAt; // when it may first be released
        uint256 closesAt; // before when
    }

    // ----------------------------------------------------------------- events

    event Joined(address indexed account, address indexed payer, uint256 amount, uint256 units);
    event ExitRequested(address indexed account, uint256 units, uint256 from, uint256 until);
    event Released(address indexed account, uint256 amount, uint256 units);
    event Earned(uint256 amount);
    /// @notice A default took `own` from the defaulter, for `units`, and `mutual` from all others.
    event LossBorne(address indexed account, uint16 indexed market, uint256 own, uint256 units, uint256 mutual);
    event LossBudgetOpened(uint16 indexed market, uint256 window, uint256 budget);
    /// @notice All units are void.
    event WipedOut(uint256 epoch);
    /// @notice A recovery gave `own` back to the defaulter, as `units`, and `mutual` to all members.
    event Restored(address indexed account, uint256 own, uint256 units, uint256 mutual);
    event ParametersSet(Parameters parameters);

    // ----------------------------------------------------------------- errors

    error OnlyFund();
    error ZeroAddress();
    error ZeroAmount();
    error GateClosed();
    error NotAMember(address account);
    error NoNotice(address account);
    error NotReleasable(address account, uint256 from, uint256 until);
    error BelowMinimum(uint256 balance, uint256 minimum);
    error InitialMarginNotMet(address account, int256 equity, uint256 required);
    error MembershipRequired(address account, uint256 balance, uint256 requirement);
    error CapacityExceeded(uint256 amount, uint256 capacity);
    error InexactTransfer(uint256 expected, uint256 received);
    error ParameterOutOfBounds(bytes32 name, uint256 value, uint256 min, uint256 max);

    // ------------------------------------------------------------- for anyone

    /// @notice Contributes the caller's S for `account`; collects the insurance fund's income first, so that nobody joins into income
    /// already earned. Refused while an insolvency is known.
    function join(address account, uint256 amount) external;

    /// @notice The caller's notice for `amount` of its balance (all of it, if it is more), in place of an older one; 0 takes that back. Until released it bears
    /// losses, earns, and counts for the requirement.
    function requestExit(uint256 amount) external;

    /// @notice Pays out what `account` gave notice for, within the window, and with it a rest below the minimum. Refused while an insolvency is known, while the account, settled first, is below initial
    /// margin, and where the rest would be below its requirement.
    function release(address account) external returns (uint256 amount);

    // -------------------------------------------------- for the insurance fund

    /// @notice Takes a default's losses out of the balances and sends them to the vault.
    /// @return wipedOut whether all units are void now.
    function bear(address account, uint16 market, uint256 own, uint256 mutual) external returns (bool wipedOut);

    /// @notice Members' part of income, which is on its way.
    function earn(uint256 amount) external;

    /// @notice Recoveries, which are on their way.
    function restore(address account, uint256 own, uint256 mutual) external;

    // ------------------------------------------------------------- governance

    /// @dev A new notice period applies to the next notices, a new exit window to those given too. A new loss window renumbers the windows, so every
    /// market's loss budget is opened anew with its next payment.
    function setParameters(Parameters calldata parameters) external;

    // ------------------------------------------------------------------ views

    /// @notice What a default of `account` in `market` could cost itself, and then the others.
    function sources(address account, uint16 market) external view returns (uint256 own, uint256 mutual);
    function totalAssets() external view returns (uint256);
    /// @notice The index is total / units; `epoch` is the number of wipe-outs.
    function book() external view returns (uint256 total, uint256 units, uint256 epoch);
    function balanceOf(address account) external view returns (uint256);
    function member(address account) external view returns (Member memory);
    /// @notice What `account` has to contribute at the marks of the last refresh, and how much of that is missing: 0 = it may take new risk.
    function requirementOf(address account) external view returns (uint256 requirement, uint256 owed);
    /// @notice What the members may still pay for `market` in this window, but for what they have.
    function lossBudget(uint16 market) external view returns (uint256 left, uint256 window);
    function parameters() external view returns (Parameters memory);
    function asset() external view returns (address);
    function vault() external view returns (address);
    function clearingHouse() external view returns (address);
    function fund() external view returns (address);
    function policy() external view returns (address);
}
