"""`iadb serve` in a thread of this process, on a free port, for tests."""

import contextlib
import http.client
import json
import socket
import threading
import time

from pipeline.serve.http import Access, make_server
from pipeline.serve.live import Live, newest
from pipeline.serve.server import model_app
from pipeline.serve.service import Service

PATIENCE = 120  # seconds for a version to load


class RunningServer:
    """The server of a folder of versions.

    Attributes:
        port: on localhost.
        live: what it serves.
        lines: that it reported.
    """

    def __init__(self, folder, token=None, names=None, workspace=None, deadline=60.0):
        self.lines = []
        self.live = Live(lambda: newest(folder), self.lines.append, 0.02)
        self.service = Service("iadb", self.live, deadline)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        app = model_app(self.service, workspace, Access(token, names))
        self._server = make_server(app, 10)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self):
        self.service.start()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join()
        self.service.stop()

    def ask(self, path, body=None, method=None, headers=None):
        """Status, headers and content of an answer; content that is JSON is parsed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            content = json.dumps(body).encode() if isinstance(body, dict) else body
            method = method or ("GET" if content is None else "POST")
            connection.request(method, path, content, headers or {})
            answer = connection.getresponse()
            text = answer.read()
            if answer.headers.get_content_type() == "application/json":
                text = json.loads(text)
            return answer.status, answer.headers, text

    def wait_for(self, number):
        """Waits until a version is live."""
        end = time.monotonic() + PATIENCE
        while not (self.live.current and self.live.current.number == number):
            assert time.monotonic() < end, self.lines
            time.sleep(0.01)
