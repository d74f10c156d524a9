"""An S3 server on loopback, and a proxy before it that fails as networks and servers do."""

import http.client
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "photos"
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret"}
REGION = "us-east-1"
THROTTLED, REFUSED, DENIED, CUT = "throttled", "refused", "denied", "cut"
_ANSWERS = {
    THROTTLED: (503, "SlowDown", "Please reduce your request rate."),
    REFUSED: (403, "InvalidAccessKeyId", "The AWS Access Key Id does not exist in our records."),
    DENIED: (403, "AccessDenied", "Access Denied"),
}


class FaultyS3:
    """The address of the server and what is wrong with it.

    Attributes:
        url: for AWS_ENDPOINT_URL.
        requests: method and path of the requests so far, with their query.
        faults: [fault, text in the path, remaining number of times], of which the first one that
            matches is used up.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.faults: list[list] = []
        self._lock = threading.Lock()

    def fail(self, fault: str, where: str = "", times: int = 10**9) -> None:
        """Lets requests whose path contains a text fail, so many times."""
        self.faults.append([fault, where, times])

    def next_fault(self, request: str) -> str | None:
        """Counts a request; returns how it fails."""
        with self._lock:
            self.requests.append(request)
            for each in self.faults:
                if each[1] in request and each[2] > 0:
                    each[2] -= 1
                    return each[0]
        return None


@contextmanager
def s3_server() -> Iterator[tuple[FaultyS3, "boto3.client"]]:
    """Yields the server, which has the bucket BUCKET, and a client that meets no faults."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name=REGION,
        aws_access_key_id="owner",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=BUCKET)
    faulty = FaultyS3()
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(faulty, host, port))
    faulty.url = f"http://127.0.0.1:{proxy.server_address[1]}"
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield faulty, client
    finally:
        proxy.shutdown()
        proxy.server_close()
        server.stop()


def environment(url: str) -> dict[str, str]:
    """The environment variables with which a server is used, and no others of this machine."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **KEYS,
    }


def _handler(faulty: FaultyS3, host: str, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fault = faulty.next_fault(f"{self.command} {unquote(self.path)}")
            if fault in _ANSWERS:
                status, code, message = _ANSWERS[fault]
                text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
                self._answer(status, {"Content-Type": "application/xml"}, text.encode(), len(text))
                return
            server = http.client.HTTPConnection(host, port)
            server.request(self.command, self.path, headers=dict(self.headers))
            found = server.getresponse()
            body = found.read()
            headers = {
                name: value
                for name, value in found.getheaders()
                if name.lower() not in ("connection", "content-length", "transfer-encoding")
            }
            length = len(body) if self.command != "HEAD" else int(found.getheader("Content-Length"))
            self._answer(found.status, headers, body, length, cut=fault == CUT)
            server.close()

        do_HEAD = do_GET  # noqa: N815

        def _answer(
            self,
            status: int,
            headers: dict[str, str],
            body: bytes,
            length: int,
            cut: bool = False,
        ) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = cut or self.close_connection

        def log_message(self, *args: object) -> None:
            pass

    return Handler
