"""What nodes say of a transaction that they do not take."""

import pytest

from weir.chain import RpcError
from weir.keeper.refusals import Refusal, refusal


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("already known", Refusal.KNOWN),
        ("transaction already imported", Refusal.KNOWN),
        ("AlreadyKnown", Refusal.KNOWN),
        ("Known transaction", Refusal.KNOWN),
        ("nonce too low: address 0x1, tx: 3 state: 4", Refusal.SPENT),
        ("OldNonce", Refusal.SPENT),
        ("Insufficient funds for gas * price + value", Refusal.POOR),
        ("InsufficientFunds, Balance is 0 less than sending value", Refusal.POOR),
        ("replacement transaction underpriced", Refusal.UNDERPRICED),
        ("transaction underpriced: tip needed 1, tip permitted 0", Refusal.UNDERPRICED),
        ("FeeTooLow, EffectivePriorityFeePerGas too low", Refusal.UNDERPRICED),
        ("ReplacementNotAllowed", Refusal.UNDERPRICED),
        ("max fee per gas less than block base fee", Refusal.OTHER),
        ("the backend is busy", Refusal.OTHER),
    ],
)
def test_the_reason_is_understood(message: str, reason: Refusal) -> None:
    assert refusal(RpcError("eth_sendRawTransaction", -32000, message)) is reason
