"""A stand-in for the API server of Kubeflow Pipelines, on loopback and in memory.

It checks every request against KFP's OpenAPI: path, method, query parameters, and each field of the
body; and every answer as well. Behaviour beyond the OpenAPI (unique names, the syntax of cron, the
decoding of filters, times that mean none) follows the source of KFP's server.
"""

import itertools
import json
import re
import threading
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from kfp_openapi import WrongShapeError, check, read_operations

OPERATIONS = read_operations()
NEVER = "1970-01-01T00:00:00Z"  # KFP's value for a time that has not come
CRON = re.compile(r"(\*|\d+(,\d+)*)( (\*|\d+(,\d+)*)){5}")  # a subset of robfig/cron
# KFP's own client writes these; protobuf's JSON accepts them and the published names.
SHORT_FILTER = {'"operation": 1,': '"operation": "EQUALS",', '"stringValue"': '"string_value"'}
CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 501: 12}  # of gRPC, by HTTP status
JSON_TYPES = {"NUMBER_INTEGER": (int,), "NUMBER_DOUBLE": (int, float), "STRING": (str,)}


class RefusalError(Exception):
    """An answer with an HTTP status that is not 200."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class KfpStandIn:
    """The server and its state.

    Attributes:
        url: its endpoint.
        token: required in requests, if any.
        namespaces: of the user; none on a single-user cluster.
        wrong_requests: requests that KFP does not know.
        faults: by operation, answers to its next requests: (status, type, body), or None to close
            the connection.
        called: the operations, in order.
        before: by operation, a function that is called before its next request is processed.
    """

    def __init__(self):
        self.token = None
        self.namespaces = ()
        self.wrong_requests = []
        self.faults = defaultdict(list)
        self.called = []
        self.before = {}
        self.experiments, self.runs, self.recurring_runs = {}, {}, {}
        self._clock = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def now(self):
        """A unique time, in whole seconds as in KFP."""
        self._clock += timedelta(seconds=1)
        return self._clock.isoformat().replace("+00:00", "Z")

    def end_run(self, run_id, state, tasks=()):
        """Ends a run; `tasks` are (name, state, error)."""
        details = [
            {
                "display_name": name,
                "state": task_state,
                "start_time": self._clock.isoformat(),
                "end_time": (self._clock + timedelta(seconds=62)).isoformat(),
                **({"error": {"code": 13, "message": error}} if error else {}),
            }
            for name, task_state, error in tasks
        ]
        self.runs[run_id] |= {
            "state": state,
            "finished_at": self.now(),
            "run_details": {"task_details": details},
        }

    def answer(self, handler, method):
        """Answers a request: (status, type, bytes), or None to close the connection."""
        url = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._lock:
            try:
                operation, arguments = self._find(method, url.path)
                self.called.append(operation.name)
                if self.faults[operation.name]:
                    return self.faults[operation.name].pop(0)
                if self.token and handler.headers.get("authorization") != f"Bearer {self.token}":
                    raise RefusalError(401, "Request header error: there is no user identity")
                query = self._read_query(operation, url.query)
                content = self._read_body(operation, body)
                given = (*arguments, content, query)
                if operation.name in self.before:
                    self.before.pop(operation.name)(*given)
                answer = getattr(self, operation.name, self._not_here)(*given)
                check(answer, operation.answer, f"answer of {operation.name}")
                return 200, "application/json", json.dumps(answer).encode()
            except RefusalError as error:
                return self._refuse(error.status, str(error))
            except WrongShapeError as error:
                self.wrong_requests.append(f"{method} {handler.path}: {error}")
                return self._refuse(400, str(error))

    def healthz_service_get_healthz(self, content, query):
        return {"multi_user": bool(self.namespaces)}

    def experiment_service_list_experiments(self, content, query):
        return self._list("experiments", self.experiments, query)

    def experiment_service_create_experiment(self, content, query):
        self._allow(content.get("namespace"))
        return self._add(self.experiments, "experiment_id", content, unique=True)

    def run_service_create_run(self, content, query):
        self._check_work(content)
        started = {"state": "PENDING", "finished_at": NEVER}
        return self._add(self.runs, "run_id", content | started)

    def run_service_get_run(self, run_id, content, query):
        return self._get(self.runs, run_id)

    def recurring_run_service_create_recurring_run(self, content, query):
        self._check_work(content)
        if not 1 <= int(content["max_concurrency"]) <= 10:
            raise RefusalError(400, "Max concurrency of a recurring run must be at least 1")
        cron = content["trigger"]["cron_schedule"]["cron"]
        if not CRON.fullmatch(cron):
            raise RefusalError(400, f"Schedule cron is not a supported format: {cron}")
        status = {"status": {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[content["mode"]]}
        return self._add(self.recurring_runs, "recurring_run_id", content | status)

    def recurring_run_service_list_recurring_runs(self, content, query):
        return self._list("recurringRuns", self.recurring_runs, query)

    def recurring_run_service_delete_recurring_run(self, recurring_run_id, content, query):
        self._get(self.recurring_runs, recurring_run_id)
        assert query["propagation_policy"] == "ORPHAN"  # or a run in progress would end
        del self.recurring_runs[recurring_run_id]
        return {}

    def _find(self, method, path):
        for operation in OPERATIONS:
            found = operation.path.fullmatch(path)
            if found and operation.method == method:
                return operation, found.groups()
        raise WrongShapeError("no such path and method")

    def _read_query(self, operation, text):
        query = dict(parse_qsl(text, keep_blank_values=True))
        for key, value in query.items():
            if key not in operation.query:
                raise WrongShapeError(f"no query parameter {key} of {operation.name}")
            if operation.query[key] == "int":
                query[key] = int(value)
        return query

    def _read_body(self, operation, body):
        if not operation.body:
            if body not in (b"", b"null"):
                raise WrongShapeError(f"{operation.name} has no body, got {body!r}")
            return None
        content = json.loads(body)
        check(content, operation.body, operation.name)
        return content

    def _allow(self, namespace):
        if self.namespaces and namespace not in self.namespaces:
            raise RefusalError(403, f"User 'me' is not authorized (namespace: {namespace})")

    def _get(self, things, key):
        if key not in things:
            raise RefusalError(404, f"{key} not found")
        return things[key]

    def _add(self, things, id_field, content, *, unique=False):
        if unique and any(t["display_name"] == content["display_name"] for t in things.values()):
            raise RefusalError(409, f"The name {content['display_name']} already exists")
        key = f"{id_field.removesuffix('_id')}-{next(self._numbers)}"
        things[key] = content | {id_field: key, "created_at": self.now()}
        return things[key]

    def _check_work(self, content):
        """Checks the common fields of runs and recurring runs."""
        self._get(self.experiments, content["experiment_id"])
        package = content["pipeline_spec"]
        inputs = package["pipeline_spec"]["root"]["inputDefinitions"]
        assert "platform_spec" in package  # the options of Kubernetes
        given = content["runtime_config"]["parameters"]
        for name, spec in inputs["parameters"].items():
            if name not in given and "defaultValue" not in spec:
                raise RefusalError(400, f"parameter {name} is not optional")
            if name in given and type(given[name]) not in JSON_TYPES[spec["parameterType"]]:
                raise RefusalError(400, f"input parameter {name} is of another type")
        if extra := given.keys() - inputs["parameters"].keys():
            raise RefusalError(400, f"parameters {extra} are not in the pipeline")

    def _list(self, field, things, query):
        found = list(things.values())
        if experiment_id := query.get("experiment_id"):
            found = [thing for thing in found if thing["experiment_id"] == experiment_id]
        else:
            self._allow(query.get("namespace"))
        if text := query.get("filter"):
            text = unquote_plus(text)  # once more than other parameters
            for short, published in SHORT_FILTER.items():
                text = text.replace(short, published)
            wanted = json.loads(text)
            check(wanted, "V2beta1Filter", f"filter of {field}")
            [predicate] = wanted["predicates"]
            assert predicate["operation"] == "EQUALS"
            found = [t for t in found if t[predicate["key"]] == predicate["string_value"]]
        start = int(query.get("page_token") or 0)
        end = start + (query.get("page_size") or 10)
        page = {field: found[start:end], "total_size": len(found)}
        return page | ({"next_page_token": str(end)} if end < len(found) else {})

    def _not_here(self, *arguments):
        raise RefusalError(501, "not a part of the stand-in")

    def _refuse(self, status, message):
        answer = {"error": message, "code": CODES[status], "message": message, "details": []}
        return status, "application/json", json.dumps(answer).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms
    stand_in: KfpStandIn

    def _answer(self):
        answer = self.stand_in.answer(self, self.command)
        if answer is None:
            self.close_connection = True
            return
        status, kind, body = answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = do_PATCH = _answer  # noqa: N815

    def log_message(self, *_):
        pass
