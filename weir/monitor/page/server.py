"""The page's server: NiceGUI on loopback. What the browser loads comes from the installed package alone."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from fastapi import FastAPI, Request, Response
from nicegui import ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from weir.client import Weir
from weir.monitor.page.layout import account_page, live_page
from weir.monitor.page.model import Model
from weir.monitor.watch import Watcher
from weir.serving import HOST, ServingError
from weir.store import Store

__all__ = ["serve"]

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' ws://127.0.0.1:* ws://localhost:*; frame-ancestors 'none'; form-action 'none'"
)
RECONNECT_SECONDS = 15.0
"""For which a page that is cut off keeps what its viewer chose; how soon a busy one is follows from it."""
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" '
    'fill="#0b5fa5"/><path d="M5 12h22M9 12v12M16 12v12M23 12v12" stroke="#fff" stroke-width="3"/></svg>'
)


@contextlib.contextmanager
def serve(
    port: int,
    watcher: Watcher,
    connect: Callable[[], Weir],
    open_store: Callable[[], Store] | None = None,
    *,
    interval: float = 2.0,
) -> Iterator[int]:
    """Serves the page on a port of loopback (0: any that is free) while the context lasts; yields the port.

    `watcher` has been started; `connect` gives a client of the same deployment, for the risk engine's own
    reads; `open_store` opens the index's database, where there is one; `interval` is the watcher's, seconds.
    Once in a process: NiceGUI's application is one. Raises `ServingError` for a port that can't be had.
    """
    model = Model(watcher, connect, open_store, interval)
    with _listen(port) as listening:
        application = _application(model)
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listening],), name="page", daemon=True)
        thread.start()
        model.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
            model.stop()


def _listen(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((HOST, port))
        found.listen()
    except (OSError, OverflowError) as error:
        found.close()
        raise ServingError(f"port {port}: {getattr(error, 'strerror', None) or error}") from None
    return found


def _application(model: Model) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])

    @app.middleware("http")
    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @ui.page("/", title="Weir: live")
    def live() -> None:
        live_page(model)

    @ui.page("/account/{address}", title="Weir: account")
    async def account(address: str) -> None:
        await account_page(model, address)

    ui.run_with(
        app,
        favicon=ICON,
        dark=None,
        language="en-GB",
        tailwind=False,
        reconnect_timeout=RECONNECT_SECONDS,
        show_welcome_message=False,
    )
    return app
