"""A small server with TF Serving's protocol, for machines without the TF Serving binary.

It supports gRPC, with the definitions of the package tensorflow-serving-api (PredictionService's
Predict and GetModelMetadata), and the documented REST API: model status and predict, in rows and in
columns. It serves the newest numbered folder. A new folder replaces it as soon as it is loaded and
has answered its warm-up requests; until then the previous one answers. Batching, version labels and
all other services are not supported.
"""

import base64
import json
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format, message
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

POLL_SECONDS = 0.1
AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
HTTP_STATUS = {
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 412,
}
PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+))?(?P<verb>:predict)?")


class RefusedError(Exception):
    """A rejected request, which gets an error response."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class Version:
    """One loaded SavedModel."""

    def __init__(self, folder: Path) -> None:
        self.number = int(folder.name)
        self._model = tf.saved_model.load(str(folder))
        stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        self.signatures = stored.meta_graphs[0].signature_def
        self._warm_up(folder / "assets.extra" / "tf_serving_warmup_requests")

    def _warm_up(self, requests: Path) -> None:
        """Answers the requests in the file, if there is one; an error fails the version."""
        records = tf.data.TFRecordDataset(str(requests)) if requests.exists() else []
        for record in records:
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            self.predict(request.model_spec.signature_name, _tensors(request))

    def inputs(self, signature: str) -> Mapping[str, message.Message]:
        """Returns the TensorInfo of each input."""
        if signature not in self._model.signatures:
            text = f'Serving signature key "{signature}" not found.'
            raise RefusedError(grpc.StatusCode.FAILED_PRECONDITION, text)
        return self.signatures[signature].inputs

    def predict(self, signature: str, given: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
        """Calls a signature."""
        asked = self.inputs(signature)
        if set(given) != set(asked):
            text = f"inputs {sorted(given)} are not those of the signature, {sorted(asked)}"
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, text)
        for name, tensor in given.items():
            if tensor.dtype != asked[name].dtype:
                text = f"{name} is {tensor.dtype.name}, not {tf.as_dtype(asked[name].dtype).name}"
                raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, text)
        try:
            outputs = self._model.signatures[signature](**given)
        except tf.errors.InvalidArgumentError as error:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, error.message) from None
        return {name: tensor.numpy() for name, tensor in outputs.items()}


class ServingStandIn:
    """Serves the numbered SavedModels below a folder. Use it as a context manager.

    Attributes:
        grpc_port, rest_port: ports on 127.0.0.1. Ask there, not at localhost, which may be ::1 as
            well, where the same port is free for any other program.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._version = Version(self._versions()[0])
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._grpc = grpc.server(ThreadPoolExecutor(4))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _PredictionService(self), self._grpc
        )
        self.grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._rest = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._rest_thread = threading.Thread(target=self._rest.serve_forever)
        self.rest_port = self._rest.server_port

    def __enter__(self) -> "ServingStandIn":
        self._watcher.start()
        self._grpc.start()
        self._rest_thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._rest.shutdown()
        self._rest.server_close()
        self._grpc.stop(None).wait()
        self._watcher.join()
        self._rest_thread.join()

    def version(self, name: str, number: int | None = None) -> Version:
        """Returns the version that answers a request."""
        version = self._version
        if name != self._name or number not in (None, version.number):
            asked = "Latest" if number is None else "Specific"
            rest = name if number is None else f"{name}, {number}"
            text = f"Servable not found for request: {asked}({rest})"
            raise RefusedError(grpc.StatusCode.NOT_FOUND, text)
        return version

    def status(self, name: str, number: int | None) -> get_model_status_pb2.GetModelStatusResponse:
        """Returns the status of the served version of a model."""
        status = get_model_status_pb2.ModelVersionStatus(
            version=self.version(name, number).number, state=AVAILABLE, status={}
        )
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])

    def _versions(self) -> list[Path]:
        numbered = [path for path in self._folder.iterdir() if path.name.isdecimal()]
        return sorted(numbered, key=lambda path: int(path.name), reverse=True)

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            newest = self._versions()[0]
            if int(newest.name) == self._version.number:
                continue
            try:
                self._version = Version(newest)
            except (OSError, tf.errors.OpError, ValueError, RefusedError):
                continue  # its files are still being copied


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, server: ServingStandIn) -> None:
        self._server = server

    def Predict(  # noqa: N802
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        signature = request.model_spec.signature_name or "serving_default"
        try:
            version = self._server.version(request.model_spec.name, _number(request.model_spec))
            outputs = version.predict(signature, _tensors(request))
        except RefusedError as error:
            context.abort(error.code, str(error))
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version.number
        response.model_spec.signature_name = signature
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelMetadata(  # noqa: N802
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        try:
            version = self._server.version(request.model_spec.name, _number(request.model_spec))
        except RefusedError as error:
            context.abort(error.code, str(error))
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version.number
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=version.signatures)
        response.metadata["signature_def"].Pack(signatures)
        return response


def _tensors(request: predict_pb2.PredictRequest) -> dict[str, tf.Tensor]:
    return {name: tf.constant(tf.make_ndarray(p)) for name, p in request.inputs.items()}


def _number(spec: model_pb2.ModelSpec) -> int | None:
    return spec.version.value if spec.HasField("version") else None


def _handler(server: ServingStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(verb=None)

        def do_POST(self) -> None:
            self._answer(verb=":predict")

        def _answer(self, verb: str | None) -> None:
            try:
                match = PATH.fullmatch(self.path)
                if not match or match["verb"] != verb:
                    text = f"Malformed request: {self.command} {self.path}"
                    raise RefusedError(grpc.StatusCode.NOT_FOUND, text)
                number = int(match["version"]) if match["version"] else None
                if verb:
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                    answer = _predict(server.version(match["name"], number), body)
                else:
                    status = server.status(match["name"], number)
                    answer = json_format.MessageToDict(
                        status,
                        preserving_proto_field_name=True,
                        always_print_fields_with_no_presence=True,
                    )
                code = 200
            except RefusedError as error:
                code, answer = HTTP_STATUS[error.code], {"error": str(error)}
            content = json.dumps(answer, indent=4).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Logs nothing, to keep the output of the tests clean."""

    return Handler


def _predict(version: Version, body: bytes) -> dict[str, Any]:
    """Answers a predict request, in rows or columns like the JSON of the request."""
    try:
        request = json.loads(body)
        signature = request.pop("signature_name", "serving_default")
        ((form, values),) = request.items()
        asked = version.inputs(signature)
        if form == "instances":
            if isinstance(values[0], dict) and "b64" not in values[0]:
                values = {name: [row[name] for row in values] for name in values[0]}
        elif form != "inputs":
            raise ValueError(f"neither instances nor inputs, but {form}")
        if not isinstance(values, dict):
            (name,) = asked
            values = {name: values}
        given = {
            name: tf.constant(_decode(value), asked[name].dtype) for name, value in values.items()
        }
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        text = f"JSON of the request: {type(error).__name__}: {error}"
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, text) from None
    outputs = version.predict(signature, given)
    encoded = {name: _encode(name, value.tolist()) for name, value in outputs.items()}
    if form == "inputs":
        return {"outputs": next(iter(encoded.values())) if len(encoded) == 1 else encoded}
    if len(encoded) == 1:
        return {"predictions": next(iter(encoded.values()))}
    rows = [dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)]
    return {"predictions": rows}


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(part) for part in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _encode(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_encode(name, part) for part in value]
    if not isinstance(value, bytes):
        return value
    return {"b64": base64.b64encode(value).decode()} if name.endswith("_bytes") else value.decode()
