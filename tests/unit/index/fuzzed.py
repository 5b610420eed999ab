"""The fuzzer's clearing house in this process: every log of it folded, all views compared after each call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weir.artifacts import artifact
from weir.fuzz.clearing.backend import InProcess
from weir.fuzz.clearing.setting import SETTINGS, START
from weir.fuzz.clearing.subject import Clearing
from weir.fuzz.evm import Evm
from weir.fuzz.steps import Step
from weir.index.comparing import Comparison, Difference
from weir.index.events import plain
from weir.index.rebuild import Applied, apply, genesis
from weir.index.rebuild.expected import expected
from weir.index.rebuild.fold import HANDLERS
from weir.index.rebuild.state import State

SOMEBODY = "0x" + "00" * 19 + "bb"


class LoggingEvm(Evm):
    """Keeps what contracts tell, with the block and time of it."""

    def __init__(self, *, time: int) -> None:
        self.logs: list[tuple[int, int, Any]] = []
        super().__init__(time=time)

    def call(self, sender: str, to: str, data: bytes, **options: Any) -> bytes:
        answer = super().call(sender, to, data, **options)
        self._keep()
        return answer

    def create(self, sender: str, code: bytes) -> str:
        address = super().create(sender, code)
        self._keep()
        return address

    def mark(self) -> Any:
        return super().mark(), len(self.logs)

    def back(self, mark: Any) -> None:
        checkpoint, kept = mark
        super().back(checkpoint)
        del self.logs[kept:]

    def _keep(self) -> None:
        assert self.revm.result is not None
        self.logs += [(self.block, self.time, log) for log in self.revm.result.logs]


class Indexed(Clearing):
    """Beside the model, the state from events alone. `history` is all of them, `compared` counts words."""

    def __init__(self, setting: str) -> None:
        evm = LoggingEvm(time=START)
        self.indexed: State | None = None
        super().__init__(SETTINGS[setting], None, InProcess(evm), evm.web3)
        self.evm = evm
        contracts = self.system.weir.deployment.contracts
        addresses = {name: contracts[name].address for name in HANDLERS}
        self._names = {address.lower(): name for name, address in addresses.items()}
        self.comparison = Comparison(addresses, {name: contracts[name].artifact for name in HANDLERS})
        self.addresses = addresses
        reader = artifact("BatchReader").bytecode
        self.reader = evm.create(SOMEBODY, reader)
        self._mark = evm.mark()
        self.begin()

    def begin(self) -> None:
        super().begin()
        self.history: list[Applied] = []
        self.compared = 0
        if hasattr(self, "addresses"):
            self.indexed, self._folded = genesis(self.setting.decimals, self.addresses), 0
            self._catch_up()

    def execute(self, step: Step) -> str | None:
        refused = super().execute(step)
        self._catch_up()
        differences = self.differences()
        assert not differences, (step, refused, *map(str, differences[:5]))
        return refused

    def _catch_up(self) -> None:
        assert self.indexed is not None
        for event in self._events(self._folded):
            apply(self.indexed, event)
            self.history.append(event)
        self._folded = len(self.evm.logs)

    def _events(self, first: int) -> Iterator[Applied]:
        for index, (block, time, log) in enumerate(self.evm.logs[first:], start=first):
            if (contract := self._names.get(log.address.lower())) is None:
                continue
            topics, data = log.data
            raw = {"address": log.address, "topics": ["0x" + topic.hex() for topic in topics]}
            place = {
                "blockNumber": hex(block),
                "logIndex": hex(index),
                "blockHash": "",
                "transactionHash": "",
            }
            (event,) = self.system.chain.events([raw | place | {"data": "0x" + data.hex()}])
            yield Applied(block, time, index, contract, event.name, plain(event.arguments))

    def differences(self) -> list[Difference]:
        """Between the fold and everything that the chain's views tell now."""
        assert self.indexed is not None
        page = list(expected(self.indexed, self.scene.time))
        self.compared += sum(word is not None for each in page for word in each.words)
        answer = self.evm.view(self.reader, self.comparison.calldata(page))
        return list(self.comparison.compare(page, answer, self.scene.block, self.scene.time))
