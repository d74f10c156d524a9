"""The dashboard on a port: the same pages as the files, rendered on request."""

import contextlib
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipeline.addresses import HEADERS
from pipeline.monitoring import prometheus
from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.pages import INDEX, Page, Site
from pipeline.workspace import Workspace


def serve(app: Starlette, listening: socket.socket) -> None:
    """Answers on a socket until SIGINT."""
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again at its end
        uvicorn.Server(config).run([listening])


def make_app(workspace: Workspace, names: list[str] | None) -> Starlette:
    """The application, which never writes.

    Args:
        workspace: need not exist yet.
        names: as `names_of` returns them.
    """
    pages = _Pages(workspace)

    def answer(request: Request) -> Response:
        page = pages.page(request.path_params["path"] or INDEX)
        if page is None:
            raise HTTPException(404)
        policy = f"{page.policy}; frame-ancestors 'none'"
        return HTMLResponse(page.content, headers={"Content-Security-Policy": policy})

    def metrics(request: Request) -> Response:
        return PlainTextResponse(prometheus.text(workspace))

    return Starlette(
        routes=[Route("/metrics", metrics), Route("/{path:path}", answer)],
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=_harden),
            Middleware(TrustedHostMiddleware, allowed_hosts=names or ["*"]),
        ],
    )


async def _harden(request: Request, answer: RequestResponseEndpoint) -> Response:
    response = await answer(request)
    for name, value in {**HEADERS, "Cache-Control": "no-cache"}.items():
        response.headers.setdefault(name, value)
    return response


class _Pages:
    """The current pages, rendered again when the workspace changes or a minute has passed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._page = lru_cache(maxsize=1)(self._pages_at)

    def page(self, path: str) -> Page | None:
        """The page at a path; None if there is none."""
        minute = datetime.now().astimezone().replace(second=0, microsecond=0)
        with self._lock:
            return self._page(self._state(), minute)(path)

    def _pages_at(self, state: tuple[int, ...], now: datetime) -> Callable[[str], Page | None]:
        return lru_cache(maxsize=64)(Site(collect(self._workspace), now).page)

    def _state(self) -> tuple[int, ...]:
        """When the records behind the pages last changed."""
        places = (self._workspace.metadata, self._workspace.journal, self._workspace.serving)
        return tuple(place.stat().st_mtime_ns if place.exists() else 0 for place in places)
