"""The paths of the model, and what a request may cost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.convertors import IntegerConvertor, StringConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.serve import openapi, tf_serving
from pipeline.serve.calls import Call, Calls
from pipeline.serve.errors import RequestError
from pipeline.serve.http import as_json
from pipeline.serve.live import Live
from pipeline.serve.metrics import Metrics
from pipeline.serve.tensors import Signature
from pipeline.serve.versions import Version
from trainer.common.text import shorten

HEALTH = ("/healthz", "/readyz")
MAX_BODY = 32 * 2**20  # bytes of a request
PARSED_AT_ONCE = 2  # bodies: while it is parsed, one takes much memory, and time of all threads


class VersionConvertor(IntegerConvertor):
    """The number of a version in a path; Python refuses to read thousands of digits."""

    regex = "[0-9]{1,18}"


class NameConvertor(StringConvertor):
    """The name of a model in a path, which a verb may follow, as in `NAME:predict`."""

    regex = "[^/:]+"


register_url_convertor("version", VersionConvertor())
register_url_convertor("name", NameConvertor())


class Service:
    """Answers with one model.

    Args:
        name: of the model in paths.
        live: its live version.
        deadline: seconds that a request may take, from its header to its answer.
    """

    def __init__(self, name: str, live: Live, deadline: float) -> None:
        self.metrics = Metrics()
        self.name = name
        self.live = live
        self._deadline = deadline
        self._calls = Calls(self.metrics.call, deadline)
        self._parsing = asyncio.Semaphore(PARSED_AT_ONCE)
        self.metrics.watch(live, self._calls)

    def start(self) -> None:
        """Begins to load the model."""
        self.live.start()

    def stop(self) -> None:
        """Ends, after the load and the calls in progress."""
        self.live.stop()
        self._calls.stop()

    def routes(self) -> list[Route]:
        """The paths of the model, of health and of metrics."""
        model = "/v1/models/{name:name}"
        found = [
            *map(Route, HEALTH, (self._healthy, self._ready)),
            Route("/metrics", self._metrics),
            Route("/openapi.json", self._openapi),
        ]
        for path in (model, f"{model}/versions/{{version:version}}"):
            found += [
                Route(f"{path}:predict", self._predict, methods=["POST"]),
                Route(f"{path}/metadata", self._metadata),
                Route(path, self._status),
            ]
        return found

    async def _healthy(self, request: Request) -> Response:
        alive = self.live.alive  # else only a restart helps
        return as_json({"live": alive}, 200 if alive else 503)

    async def _ready(self, request: Request) -> Response:
        self.live.version()
        return as_json({"ready": True})

    async def _metrics(self, request: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def _openapi(self, request: Request) -> Response:
        return as_json(openapi.document(self.name, self.live.version()))

    async def _predict(self, request: Request) -> Response:
        version = self._version(request)
        async with self._in_time():
            body = await _read(request)
            async with self._parsing:
                asked = await run_in_threadpool(tf_serving.parse, body, version)
            outputs = await self._call(request, version, asked.signature, asked.inputs)
            content = await run_in_threadpool(
                lambda: json.dumps(tf_serving.answer(asked, outputs)).encode()
            )
        return Response(content, media_type="application/json")

    async def _status(self, request: Request) -> Response:
        self._check_name(request)
        return as_json(tf_serving.status(self.live, request.path_params.get("version")))

    async def _metadata(self, request: Request) -> Response:
        return as_json(tf_serving.metadata(self.name, self._version(request)))

    def _check_name(self, request: Request) -> None:
        name = request.path_params["name"]
        if name != self.name:
            raise RequestError(f"model {shorten(name)} is not served; {self.name} is (--name)", 404)

    def _version(self, request: Request) -> Version:
        self._check_name(request)
        return self.live.version(request.path_params.get("version"))

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Ends a request after the deadline, also one whose body arrives slowly."""
        try:
            async with asyncio.timeout(self._deadline):
                yield
        except TimeoutError:
            raise RequestError(
                f"not done within {self._deadline:g} s; ask for fewer images or steps, or start "
                "the server with a longer --deadline",
                504,
            ) from None

    async def _call(
        self,
        request: Request,
        version: Version,
        signature: Signature,
        inputs: dict[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """Waits for the outputs of a signature."""
        call = await run_in_threadpool(Call, version, signature, inputs)
        request.state.about = f"{version.number} {signature.name} {call.rows}x{call.steps}"
        outputs = asyncio.create_task(self._calls.outputs(call))
        gone = asyncio.create_task(_disconnect(request))
        try:
            await asyncio.wait({outputs, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not outputs.done():
                raise ClientDisconnect
            return outputs.result()
        finally:
            gone.cancel()
            outputs.cancel()


async def _disconnect(request: Request) -> None:
    """Returns when the client of a request, whose body has been read, has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _read(request: Request) -> bytes:
    """The body of a request."""
    if encoding := request.headers.get("Content-Encoding"):
        raise RequestError(f"Content-Encoding {shorten(encoding)}: send the plain body", 415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise RequestError(f"the body may have at most {MAX_BODY:,} bytes", 413)
    return bytes(body)
