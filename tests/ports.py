"""Ports of loopback for servers in processes of their own, which need a number at their start."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port on 127.0.0.1 that no other process gets by chance while the block runs.

    It stays bound without listening. So the system gives it to nobody who asks for any port, and
    connections are refused, but a server that names it can listen there: servers set SO_REUSEADDR.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
