"""Talking to a node: batched reads, signed transactions, typed errors and decoded events.

Everything goes through `Chain`. Contract functions are web3's (`contract.functions.deposit(account,
amount)`); they are encoded, and answers decoded, here on eth_abi, so that thousands of transactions take
seconds.
"""

from weir.chain.client import Chain, Fees, created_address, pages, sign, transaction_hash
from weir.chain.codec import Call, encode_arguments, encode_call
from weir.chain.connection import connect
from weir.chain.errors import (
    ContractError,
    NodeUnreachableError,
    NodeUrlError,
    RpcError,
    TransactionTimeoutError,
)
from weir.chain.results import Event, Receipt

__all__ = [
    "Call",
    "Chain",
    "ContractError",
    "Event",
    "Fees",
    "NodeUnreachableError",
    "NodeUrlError",
    "Receipt",
    "RpcError",
    "TransactionTimeoutError",
    "connect",
    "created_address",
    "encode_arguments",
    "encode_call",
    "pages",
    "sign",
    "transaction_hash",
]
