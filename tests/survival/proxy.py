"""A node as bad nodes are: a JSON-RPC proxy on loopback with faults that a test switches on.

What it lets through is the real node's. Faults concern whole HTTP requests, a batch as one, since that is
what is lost or late in reality; `behind` rewrites what is asked and answered instead, as if another node
behind the same address had not come as far.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
SEND = "eth_sendRawTransaction"
TAG_AT = {
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_getStorageAt": 2,
    "eth_getBlockByNumber": 0,
    "eth_getBlockReceipts": 0,
    "eth_feeHistory": 1,
}
"""Where methods take a block."""

Kind = Literal[
    "drop",  # the connection closes, nothing was forwarded
    "lose",  # forwarded, and the connection closes in place of the answer
    "delay",  # forwarded late
    "duplicate",  # forwarded twice; the second answer comes back
    "error",  # a JSON-RPC error
    "unavailable",  # HTTP 500
    "limited",  # HTTP 429
    "rubbish",  # bytes that are no JSON
    "behind",  # as a node that has not come as far
]
JSON = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and with which requests: every so many-th of those that hold one of `methods` (all,
    where None). `seconds` of delay, `blocks` behind.
    """

    kind: Kind
    every: int = 1
    methods: frozenset[str] | None = None
    seconds: float = 0.0
    blocks: int = 0


class Proxy:
    """Forwards to a node until told otherwise; `seen` counts methods, `struck` the faults that happened."""

    def __init__(self, upstream: str) -> None:
        place = urlsplit(upstream)
        assert place.hostname
        assert place.port
        self.upstream = place.hostname, place.port
        self.seen: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.before_send: Callable[[int], None] | None = None
        """Called with the number of a sending (from 1) before it goes to the node; it may raise `Severed`."""
        self.after_send: Callable[[int], None] | None = None
        """The same when the node has it, before the sender is told."""
        self._fault: Fault | None = None
        self._count = 0
        self._sends = 0
        self._lock = threading.Lock()
        self._server = _Server((HOST, 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def sends(self) -> int:
        """Sendings that have come, since it was last calmed."""
        return self._sends

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, fault: Fault) -> None:
        """From now on this goes wrong."""
        with self._lock:
            self._fault, self._count = fault, 0

    def calm(self) -> None:
        """From now on it is as good as the node behind it; sendings are counted anew."""
        with self._lock:
            self._fault, self._sends = None, 0
            self.before_send = self.after_send = None
            self.struck.clear()

    # ---- one request

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """HTTP status and body; raises `Severed` where the connection is to close without an answer."""
        asked = json.loads(body)
        methods = [each["method"] for each in (asked if isinstance(asked, list) else [asked])]
        with self._lock:
            self.seen.update(methods)
            fault = self._struck_by(methods)
            number = self._sends = self._sends + (SEND in methods)
        if SEND in methods and (told := self.before_send) is not None:
            told(number)
        found = self._faulty(fault, asked, body) if fault else self._forward(body)
        if SEND in methods and (told := self.after_send) is not None:
            told(number)
        return found

    def _struck_by(self, methods: list[str]) -> Fault | None:
        fault = self._fault
        if fault is None or not (fault.methods is None or fault.methods & set(methods)):
            return None
        self._count += 1
        if self._count % fault.every:
            return None
        self.struck[fault.kind] += 1
        return fault

    def _faulty(self, fault: Fault, asked: Any, body: bytes) -> tuple[int, bytes]:
        match fault.kind:
            case "drop":
                raise Severed
            case "lose":
                self._forward(body)
                raise Severed
            case "delay":
                time.sleep(fault.seconds)
                return self._forward(body)
            case "duplicate":
                self._forward(body)
                return self._forward(body)
            case "error":
                return 200, json.dumps(_each(asked, _internal_error)).encode()
            case "unavailable":
                return 500, b"Internal Server Error"
            case "limited":
                return 429, b"Too Many Requests"
            case "rubbish":
                return 200, b"\x00\xff<html>\x80 not what you asked for"
            case "behind":
                return self._as_of(fault.blocks, asked)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.upstream, timeout=60)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except OSError as error:
            raise Severed from error
        finally:
            connection.close()

    # ---- a node that has not come as far

    def _as_of(self, blocks: int, asked: Any) -> tuple[int, bytes]:
        head = max(0, int(self._ask("eth_blockNumber"), 16) - blocks)
        return 200, json.dumps(_each(asked, lambda request: self._older(head, request))).encode()

    def _older(self, head: int, request: JSON) -> JSON:
        method, parameters = request["method"], list(request.get("params") or [])
        if method == "eth_blockNumber":
            return _result(request, hex(head))
        if (place := TAG_AT.get(method)) is not None:
            while len(parameters) <= place:
                parameters.append("latest")
            if parameters[place] in ("latest", "pending", "safe", "finalized"):
                parameters[place] = hex(head)
            elif _number(parameters[place]) > head:
                return _result(request, None) if "Block" in method else _unknown_block(request)
        if method == "eth_getLogs":
            parameters[0] = _clipped(parameters[0], head)
            if _number(parameters[0].get("fromBlock", "0x0")) > head:
                return _result(request, [])
        status, body = self._forward(json.dumps(request | {"params": parameters}).encode())
        assert status == 200, body
        answer: JSON = json.loads(body)
        if method in ("eth_getTransactionReceipt", "eth_getTransactionByHash"):
            found = answer.get("result")
            if found and found.get("blockNumber") and _number(found["blockNumber"]) > head:
                return _result(request, None)
        return answer

    def _ask(self, method: str, *parameters: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        return json.loads(self._forward(json.dumps(request).encode())[1])["result"]


class Severed(Exception):  # noqa: N818 (an event, not an error)
    """The connection is to be closed without an answer."""


def _each(asked: Any, answer: Callable[[JSON], JSON]) -> Any:
    return [answer(request) for request in asked] if isinstance(asked, list) else answer(asked)


def _result(request: JSON, result: Any) -> JSON:
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


def _error(request: JSON, code: int, message: str) -> JSON:
    return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message}}


def _internal_error(request: JSON) -> JSON:
    return _error(request, -32603, "internal error")


def _unknown_block(request: JSON) -> JSON:
    return _error(request, -32000, "header not found")


def _number(tag: Any) -> int:
    """A block's number; -1 for a name or a hash."""
    return int(tag, 16) if isinstance(tag, str) and tag.startswith("0x") and len(tag) < 66 else -1


def _clipped(query: JSON, head: int) -> JSON:
    if "blockHash" in query:
        return query
    last = query.get("toBlock", "latest")
    within = _number(last) if _number(last) >= 0 else head
    return query | {"toBlock": hex(min(within, head))}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed in the middle of a request are what this is for."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece: in two, the second would wait for the other side's receipt

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                status, answer = proxy.answer(body)
            except Severed:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler
