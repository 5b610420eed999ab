"""What must be found in the database when a crash is over: everything, once, and nothing else."""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from sqlalchemy import select

from tests.exchange import KEEPER
from tests.survival.crash import Crash
from weir.index.rebuild.fold import HANDLERS
from weir.index.tables import blocks, events
from weir.index.verify import verify
from weir.keeper.tables import State, attempts
from weir.store import Store


def check_journal(crash: Crash, store: Store) -> int:
    """Each transaction of the keeper on the chain has its attempt, with the outcome that it had there; and
    no attempt claims to be mined that is not. The number of transactions.
    """
    chain = crash.weir.chain
    mined: dict[str, bool] = {}
    for number in range(crash.opened + 1, crash.head + 1):
        block = chain.rpc("eth_getBlockByNumber", hex(number), True)
        for sent in block["transactions"]:
            if to_checksum_address(sent["from"]) == KEEPER.address:
                receipt = chain.rpc("eth_getTransactionReceipt", sent["hash"])
                mined[sent["hash"]] = bool(int(receipt["status"], 16))
    with store.read() as connection:
        rows = connection.execute(select(attempts.c.hash, attempts.c.state, attempts.c.cancels)).all()
    states = {row.hash: row.state for row in rows}
    assert len(states) == len(rows), "an attempt is recorded twice"
    ended = {row.hash for row in rows if row.state in (State.DONE, State.FAILED)}
    assert mined.keys() == ended, (mined.keys() ^ ended, states)
    assert {each for each, good in mined.items() if not good} == {
        each for each, state in states.items() if state == State.FAILED
    }
    assert not [each for each, state in states.items() if state in (State.PREPARED, State.BROADCAST)]
    return len(mined)


def check_index(crash: Crash, store: Store) -> int:
    """Each event of the deployment is indexed exactly once, in blocks that the chain has; and the state that
    they make is the chain's after every block of the crash. The number of events.
    """
    weir = crash.weir
    contracts = [weir.deployment.address(name) for name in HANDLERS]
    query = {"address": contracts, "fromBlock": hex(weir.deployment.block), "toBlock": "latest"}
    logs = {
        (int(each["blockNumber"], 16), int(each["logIndex"], 16), each["transactionHash"])
        for each in weir.chain.rpc("eth_getLogs", query)
    }
    with store.read() as connection:
        columns = events.c.block, events.c.log_index, events.c.transaction
        found = [tuple(row) for row in connection.execute(select(*columns))]
        known = {row.number: row.hash for row in connection.execute(select(blocks.c.number, blocks.c.hash))}
    assert len(set(found)) == len(found)
    assert set(found) == logs, set(found) ^ logs
    for number, block_hash in known.items():
        assert weir.chain.block(number)["hash"] == block_hash, number
    compared = verify(weir.chain, weir.deployment, store, first=crash.opened, every=1)
    assert not compared.differences, compared.differences
    assert compared.last == crash.head
    return len(found)
