"""A state beside the chain's own views, all of them in a few calls.

The views are called by `contracts/mocks/BatchReader.sol`, which is put in the place of an address's code for
the length of each call, so nothing has to be deployed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from eth_utils.abi import function_abi_to_4byte_selector

from weir.artifacts import artifact
from weir.chain import Chain, encode_arguments
from weir.index.rebuild.expected import Expectation, expected
from weir.index.rebuild.state import State

__all__ = ["Comparison", "Difference"]

_READER = "0x" + "00" * 18 + "5ead"
"""Where no contract can be."""
_READS_PER_CALL = 600
"""A call of so many stays below a block's gas."""
_GAS = 2**40
_WORD = 32
_MASK = 2**256 - 1


@dataclass(frozen=True, slots=True)
class Difference:
    """A word of a view's answer that is not what events say it should be."""

    block: int
    view: str
    word: int
    rebuilt: int
    chain: int

    def __str__(self) -> str:
        where = f"block {self.block}: {self.view}, word {self.word}"
        return f"{where}: {self.rebuilt} from events, {self.chain} on the chain"


class Comparison:
    """Of one deployment: its contracts' addresses and kinds by name."""

    def __init__(
        self, addresses: Mapping[str, str], kinds: Mapping[str, str], root: Path | None = None
    ) -> None:
        self._addresses = {name: bytes.fromhex(address[2:]) for name, address in addresses.items()}
        self._functions = {
            (name, entry["name"]): entry
            for name, kind in kinds.items()
            for entry in artifact(kind, root).abi
            if entry["type"] == "function"
        }
        self.reader = artifact("BatchReader", root).deployed_bytecode
        self._read = lru_cache(maxsize=200_000)(self._encoded)

    def _encoded(self, contract: str, function: str, arguments: tuple[Any, ...]) -> bytes:
        entry = self._functions[contract, function]
        data = function_abi_to_4byte_selector(cast(Any, entry)) + encode_arguments(entry, arguments)
        return self._addresses[contract] + len(data).to_bytes(2, "big") + data

    def differences(self, chain: Chain, state: State, block: int) -> tuple[list[Difference], int]:
        """Where the state and the chain at this block are not the same; and how many words were compared."""
        time = int(chain.block(block)["timestamp"], 16)
        wanted = list(expected(state, time))
        pages = [wanted[at : at + _READS_PER_CALL] for at in range(0, len(wanted), _READS_PER_CALL)]
        override = {_READER: {"code": "0x" + self.reader.hex()}}
        requests = [("eth_call", (self._request(page), hex(block), override)) for page in pages]
        found: list[Difference] = []
        for page, answer in zip(pages, chain.rpc_batch(requests), strict=True):
            if isinstance(answer, Exception):
                raise answer
            found += self.compare(page, bytes.fromhex(answer[2:]), block, time)
        return found, sum(word is not None for each in wanted for word in each.words)

    def _request(self, page: Sequence[Expectation]) -> dict[str, str]:
        return {"to": _READER, "gas": hex(_GAS), "data": "0x" + self.calldata(page).hex()}

    def calldata(self, page: Sequence[Expectation]) -> bytes:
        """What the reader is asked for these."""
        return b"".join(self._read(each.contract, each.function, each.arguments) for each in page)

    def compare(
        self, page: Sequence[Expectation], answer: bytes, block: int, time: int
    ) -> Iterator[Difference]:
        """What the reader answered, beside what it should have."""
        words = [int.from_bytes(answer[at : at + _WORD], "big") for at in range(0, len(answer), _WORD)]
        if words[0] != time:
            yield Difference(block, "time", 0, time, words[0])
        total = 2 + sum(len(each.words) for each in page)
        if len(words) != total:  # a view that is not there answers nothing, and nothing can be told apart
            yield Difference(block, "words in all", 0, total, len(words))
            return
        at = 2  # after the time and the block's number
        for each in page:
            for number, word in enumerate(each.words):
                if word is not None and word & _MASK != words[at + number]:
                    yield Difference(block, str(each), number, word, words[at + number])
            at += len(each.words)
