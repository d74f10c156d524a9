"""Serves a model on a port until a signal ends it."""

import logging
import logging.handlers
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.applications import Starlette

from pipeline.addresses import listen, names_of, url
from pipeline.registry.serving import find_model, newest_trained, read_model, what_makes_one
from pipeline.serve import dashboard
from pipeline.serve.http import ACCESS, Access, make_app, run
from pipeline.serve.live import Live, newest
from pipeline.serve.playground.about import DASHBOARD
from pipeline.serve.playground.pages import FILES, Playground
from pipeline.serve.service import HEALTH, Service
from pipeline.serve.versions import NEEDED
from pipeline.workspace import Workspace
from trainer.common import exit_codes

LOG_BYTES, LOG_FILES = 10 * 2**20, 4  # of a log, and how many are kept
LINE = "%(asctime)s %(message)s"


class ModelLoadError(ValueError):
    """A model that cannot be served."""

    exit_code = exit_codes.DATA


@dataclass(frozen=True)
class ServeOptions:
    """What to serve, and where.

    Attributes:
        workspace: whose live version is served.
        model: folder of a SavedModel to serve in its place, or None.
        name: of the model in paths.
        host, port: to listen on; port 0 for one that is free.
        token: that requests must carry, or None.
        deadline: seconds that a request may take, from its header to its answer.
    """

    workspace: Workspace
    model: Path | None
    name: str
    host: str
    port: int
    token: str | None
    deadline: float


def serve(options: ServeOptions, say: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM, then ends the requests in progress.

    Args:
        options: what to serve, and where.
        say: is called with one line about where it serves, and about each change of the model.

    Raises:
        AddressError: the address is not available.
        NoModelError, ModelLoadError: the given model cannot be served.
        WorkspaceError: the access log cannot be written.
    """
    with (
        listen(options.host, options.port) as listening,
        _logging_access(options, listening.getsockname()[1]),
    ):
        live = _live(options, say)
        service = Service(options.name, live, options.deadline)
        workspace = None if options.model else options.workspace
        access = Access(options.token, names_of(options.host))
        service.start()
        try:
            say(f"{url(options.host, listening.getsockname()[1])} until Ctrl-C")
            serving = options.workspace.serving
            if not live.current and not newest(serving):
                say(f"no model in {serving} yet{what_makes_one(serving)}")
            run(model_app(service, workspace, access), listening, options.deadline)
        finally:
            service.stop()


def model_app(service: Service, workspace: Workspace | None, access: Access) -> Starlette:
    """The application of a model: its paths, the playground and the dashboard.

    Args:
        service: of the model.
        workspace: that it comes from; None if there is none, and then no dashboard.
        access: who may ask, health and the files of the playground aside.
    """
    page = Playground(service.name, service.live, workspace)
    pages = dashboard.routes(workspace, DASHBOARD) if workspace else []
    return make_app(
        [*service.routes(), *page.routes(), *pages],
        replace(access, free={*HEALTH, *FILES}),
        service.metrics.request,
    )


def _live(options: ServeOptions, say: Callable[[str], None]) -> Live:
    serving = options.workspace.serving
    if not options.model:
        return Live(
            lambda: newest(serving), say, has_trained=lambda: newest_trained(serving) is not None
        )
    model = find_model(serving, options.model).resolve()
    read_model(model, *NEEDED)
    live = Live(lambda: model, lambda line: None)
    live.update()
    if live.failed:
        raise ModelLoadError(f"{model} does not load: {live.failed[1]}")
    return live


class _AccessLog(logging.handlers.RotatingFileHandler):
    """A file that is made again after it was removed: `iadb clean` knows no servers."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line."""
        if self.stream and not os.path.exists(self.baseFilename):
            self.stream.close()
            self.stream = None
        super().emit(record)


@contextmanager
def _logging_access(options: ServeOptions, port: int) -> Iterator[None]:
    """Writes one line per request below the workspace's logs; nowhere without a workspace.

    Each server of a workspace has a file of its own, since one of them would move it away while
    another writes.
    """
    handler: logging.Handler = logging.NullHandler()
    if not options.model:
        folder = options.workspace.access_logs
        with options.workspace.writing():
            folder.mkdir(parents=True, exist_ok=True)
            handler = _AccessLog(
                folder / f"access-{port}.log",
                maxBytes=LOG_BYTES,
                backupCount=LOG_FILES - 1,
                encoding="utf-8",
            )
    handler.setFormatter(logging.Formatter(LINE))
    ACCESS.propagate = False
    ACCESS.setLevel(logging.INFO)
    ACCESS.addHandler(handler)
    try:
        yield
    finally:
        ACCESS.removeHandler(handler)
        handler.close()
