"""The way to a node: JSON-RPC over HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from itertools import count
from typing import Any, cast
from urllib.parse import urlsplit

from web3 import Web3
from web3._utils.encoding import Web3JsonEncoder
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from weir.chain.errors import NodeUrlError

__all__ = ["connect", "place"]


def connect(url: str, *, timeout: float = 120.0) -> Web3:
    """A client of the node at an HTTP address; nothing is asked of it yet.

    Raises `NodeUrlError` for any other kind of address. A node on this machine gets a plain keep-alive
    connection, several times as fast as web3's own; others get web3's, with its retries and proxies.
    """
    if not (place(url) or "").startswith(("http://", "https://")):
        # It is not told: it may be one, mistyped, with a key in it.
        raise NodeUrlError("this is not the http address of a node, such as http://127.0.0.1:8545")
    address = urlsplit(url)
    if address.scheme == "http" and address.hostname in ("127.0.0.1", "localhost", "::1"):
        return Web3(_LoopbackProvider(address.hostname, address.port or 80, address.path or "/", timeout))
    return Web3(Web3.HTTPProvider(url, request_kwargs={"timeout": timeout}))


def place(url: str) -> str | None:
    """Scheme, host and port of an address, which anybody may see: users, paths and queries hold keys.

    None where there is no host.
    """
    try:
        address = urlsplit(url)
        host, port = address.hostname, address.port
    except ValueError:
        return None
    if not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{address.scheme}://{shown}" + (f":{port}" if port else "")


class _LoopbackProvider(JSONBaseProvider):
    """JSON-RPC over one kept connection, for one thread."""

    def __init__(self, host: str, port: int, path: str, timeout: float) -> None:
        super().__init__()
        self.endpoint_uri = f"http://{host}:{port}{path}"
        self._connection = _OneSend(host, port, timeout=timeout)
        self._path = path
        self._numbers = count()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        number = next(self._numbers)
        answers = self._matched([number], [self._post(_body(number, method, params))])
        return cast(RPCResponse, answers[0])

    def make_batch_request(self, requests: Sequence[tuple[RPCEndpoint, Any]]) -> Any:
        numbers = [next(self._numbers) for _ in requests]
        answers = self._post([_body(n, *request) for n, request in zip(numbers, requests, strict=True)])
        return self._matched(numbers, answers) if isinstance(answers, list) else answers

    def _matched(self, numbers: list[int], answers: list[Any]) -> list[Any]:
        """The answers in the order of their questions; without numbers, as they came."""
        found, asked = {}, set(numbers)
        for answer in answers:
            number = answer.get("id") if isinstance(answer, dict) else None
            if number is None:
                return answers
            if number not in asked:
                # One too many has come before: what else is on its way would be taken for other answers.
                self._connection.close()
                raise HTTPException("an answer to another question")
            found[number] = answer
        return [found[number] for number in numbers if number in found]

    def _post(self, body: object) -> Any:
        data = json.dumps(body, cls=Web3JsonEncoder)
        try:
            return self._exchange(data)
        except (ConnectionResetError, BrokenPipeError):
            # Nodes close idle connections. Nothing is done twice: a signed transaction counts once.
            self._connection.close()
            return self._exchange(data)
        except (HTTPException, OSError, ValueError):
            self._connection.close()
            raise

    def _exchange(self, data: str) -> Any:
        self._connection.request("POST", self._path, data.encode(), {"Content-Type": "application/json"})
        self._connection.flush()
        return json.loads(self._connection.getresponse().read())


class _OneSend(HTTPConnection):
    """Sends a request in one piece: headers that go ahead would wake the node twice."""

    _held = b""

    def send(self, data: Any) -> None:
        self._held += data

    def flush(self) -> None:
        held, self._held = self._held, b""
        super().send(held)


def _body(number: int, method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or []}
