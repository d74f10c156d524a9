"""A server on loopback that receives what a webhook is posted."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "T0SECRET"  # in the URL


class Webhook:
    """A server that answers with given statuses in turn, the last one for ever.

    Args:
        statuses: of the answers.
        delay: seconds before an answer.
        drip: seconds between two bytes of its first line.

    Attributes:
        received: the JSON that was posted.
        paths: to which.
    """

    def __init__(self, *statuses, delay=0.0, drip=0.0):
        self.received, self.paths, left = [], [], list(statuses)
        self._closed = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler):  # noqa: N805
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.received.append(json.loads(body))
                self.paths.append(handler.path)
                if self._closed.wait(delay):
                    return
                for byte in b"HTTP/1.0 200 OK" if drip else b"":
                    handler.wfile.write(bytes([byte]))
                    time.sleep(drip)
                handler.send_response(left.pop(0) if len(left) > 1 else left[0])
                handler.send_header("Location", f"{self.url}/elsewhere")
                handler.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/{SECRET}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
