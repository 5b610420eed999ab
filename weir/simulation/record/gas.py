"""What the contracts' functions cost in gas."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

from eth_utils.abi import function_abi_to_4byte_selector

from weir.chain import Call
from weir.results import Gas
from weir.simulation.record.history import History

__all__ = ["gas"]


def gas(history: History) -> dict[str, Gas]:
    """Gas of the transactions that succeeded, by the name of the function."""
    names = {
        (contract.address.lower(), _selector(function)): function.fn_name
        for contract in history.contracts
        for function in contract.all_functions()
    }
    wanted = {
        t["hash"]: names[key]
        for block in history.blocks.values()
        for t in block["transactions"]
        if (key := ((t["to"] or "").lower(), t["input"][:10])) in names
    }
    receipts = history.weir.chain.rpc_batch([("eth_getTransactionReceipt", [each]) for each in wanted])
    found: defaultdict[str, list[int]] = defaultdict(list)
    for name, receipt in zip(wanted.values(), receipts, strict=True):
        if int(receipt["status"], 16):
            found[name].append(int(receipt["gasUsed"], 16))
    return {
        name: Gas(count=len(used), mean=round(sum(used) / len(used), 1), max=max(used))
        for name, used in sorted(found.items())
    }


def _selector(function: Call) -> str:
    return "0x" + function_abi_to_4byte_selector(cast(Any, function.abi)).hex()
