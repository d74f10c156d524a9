import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """The folder of downloads, empty."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "iadb-tfx"


@pytest.fixture
def start_server(monkeypatch):
    """Serves on loopback with a class of request handlers; returns the base URL."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(handler):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def serve(start_server):
    """Serves a folder; returns the base URL."""
    return lambda folder: start_server(partial(Files, directory=str(folder)))


@pytest.fixture
def serve_with(start_server):
    """Responds to every GET with a function of the path and the host; returns the base URL.

    The function returns the headers and the body, which need not fit together.
    """

    def start(reply):
        def get(handler):
            headers, body = reply(handler.path, handler.headers["Host"])
            handler.send_response(200)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)
            handler.close_connection = True

        members = {
            "do_GET": get,
            "log_message": lambda *arguments: None,
            "protocol_version": "HTTP/1.1",
        }
        return start_server(type("Handler", (BaseHTTPRequestHandler,), members))

    return start


@pytest.fixture
def make_tar():
    """Writes a tar of (TarInfo or name, bytes) pairs, compressed according to its name."""

    def make(path, members):
        with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as archive:
            for info, content in members:
                if isinstance(info, str):
                    info = tarfile.TarInfo(info)
                    info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path

    return make


@pytest.fixture
def checksum_of():
    """Returns the checksum of a file in the format of the writers."""
    return lambda path: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def files_in():
    """Reads the files in a folder: relative path -> bytes."""
    return lambda folder: {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
