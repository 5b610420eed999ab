"""What a running process tells of itself over HTTP, on loopback: `/healthz` for supervisors, `/metrics` for
Prometheus.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from prometheus_client import CollectorRegistry

__all__ = ["HOST", "Health", "ServingError", "port_option", "serve"]

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
FIRST_FREE, LAST = 1_024, 65_535
"""The lowest port that anyone may listen on, and the highest there is."""

F = TypeVar("F", bound=Callable[..., Any])


class ServingError(RuntimeError):
    """The port can't be listened on; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a process does its work, in one word and, for people, why."""

    healthy: bool
    reason: str = "ok"
    facts: Mapping[str, Any] = field(default_factory=dict)


def port_option(
    name: str, what: str, default: int | None = None, *, fixed: bool = False, more: int = 0
) -> Callable[[F], F]:
    """A port of loopback, as an option of a command: `what` happens there.

    0 is any that is free, but not where it is `fixed`, for others who have to know it before. So many `more`
    ports that follow it are taken too.
    """
    text = f"{what}." if fixed else f"{what} (0: any that is free)."
    return click.option(
        name,
        metavar="PORT",
        type=click.IntRange(FIRST_FREE if fixed else 0, LAST - more),
        default=default,
        show_default=default is not None,
        help=text if default is not None else f"{text}  [default: do not]",
    )


@contextmanager
def serve(port: int, registry: CollectorRegistry, health: Callable[[], Health]) -> Iterator[int]:
    """Answers on a port of loopback (0: any that is free) while the context lasts; yields the port.

    `/healthz` is 200 with the health as JSON, or 503 where it is not healthy. `health` is called in another
    thread than the caller's.
    """
    try:
        server = make_server(HOST, port, _application(registry, health), _Server, _Quiet)
    except (OSError, OverflowError) as error:
        raise ServingError(f"port {port}: {getattr(error, 'strerror', None) or error}") from None
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="serving", daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _application(registry: CollectorRegistry, health: Callable[[], Health]) -> Any:
    from prometheus_client import make_wsgi_app

    metrics = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environ.get("PATH_INFO"):
            case "/metrics":
                found: Iterable[bytes] = metrics(environ, start)
                return found
            case "/healthz":
                now = health()
                body = {"healthy": now.healthy, "reason": now.reason, **now.facts}
                status = "200 OK" if now.healthy else "503 Service Unavailable"
                start(status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
                return [json.dumps(body, default=str).encode()]
            case _:
                start("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
                return [b"there is /healthz and /metrics\n"]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the base class)
        log.debug(format, *args)
