"""The dashboard on a port: the same pages as the files, rendered on request."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

import flask
import waitress

from pipeline.addresses import is_named, names_of
from pipeline.monitoring import prometheus
from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.pages import INDEX, Page, Site
from pipeline.workspace import Workspace

HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# Of connections. A silent one is closed after some seconds; until then there is room for others, as
# far as the 1,024 descriptors allow that a process has by default. No request has a body.
LIMITS = {
    "channel_timeout": 5,
    "cleanup_interval": 1,
    "connection_limit": 800,
    "asyncore_use_poll": True,
    "max_request_body_size": 1,
}
_NO_CONTENT = "default-src 'none'; frame-ancestors 'none'"


def listen(workspace: Workspace, host: str, port: int) -> waitress.server.BaseWSGIServer:
    """A server whose `run` answers until the process is interrupted.

    Raises:
        OSError: the address or port is not available.
        ValueError: the name has no address.
    """
    logging.getLogger("waitress").setLevel(logging.ERROR)  # else it logs its address
    app = make_app(workspace, names_of(host))
    return waitress.create_server(app, host=host, port=port, ident=None, **LIMITS)


def make_app(workspace: Workspace, names: list[str] | None) -> flask.Flask:
    """The application, which never writes.

    Args:
        workspace: need not exist yet.
        names: as `names_of` returns them.
    """
    app = flask.Flask(__name__, static_folder=None)
    app.url_map.redirect_defaults = False  # serve the first page at / and at its own path
    pages = _Pages(workspace)

    @app.before_request
    def refuse_other_names() -> None:
        # Not by TRUSTED_HOSTS, which takes the end of an IPv6 address for a port.
        if not is_named(flask.request.headers.get("Host", ""), names):
            flask.abort(400)

    @app.get("/", defaults={"path": INDEX}, provide_automatic_options=False)
    @app.get("/<path:path>", provide_automatic_options=False)
    def answer(path: str) -> flask.Response:
        page = pages.page(path)
        if page is None:
            flask.abort(404)
        response = flask.Response(page.content, mimetype="text/html")
        response.headers["Content-Security-Policy"] = f"{page.policy}; frame-ancestors 'none'"
        return response

    @app.get("/metrics", provide_automatic_options=False)
    def metrics() -> flask.Response:
        return flask.Response(prometheus.text(workspace), mimetype="text/plain")

    @app.after_request
    def harden(response: flask.Response) -> flask.Response:
        response.headers.setdefault("Content-Security-Policy", _NO_CONTENT)
        response.headers.update(HEADERS)
        return response

    return app


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
