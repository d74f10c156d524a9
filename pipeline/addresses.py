"""What the servers of this project share: addresses, what they are called, fields of answers."""

import ipaddress
import re
import socket

from trainer.common import exit_codes

HEADERS = {  # of every answer that does not set its own
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class AddressError(ValueError):
    """An address that cannot be served on."""

    exit_code = exit_codes.USAGE


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str) -> list[str] | None:
    """The values of the header Host, without a port, that requests to an address may have.

    None: any. On loopback they keep a foreign site from pointing a name of its own here, and
    reading in a local browser what is served.
    """
    return ["localhost", "127.0.0.1", "[::1]", in_url(host)] if is_loopback(host) else None


def is_named(host: str, names: list[str] | None) -> bool:
    """Whether a value of the header Host, which may have a port, is one of `names_of`."""
    return names is None or without_port(host) in names


def without_port(name: str) -> str:
    """A value of the header Host without its port, in small letters."""
    return re.sub(r":\d*$", "", name).lower()


def in_url(host: str) -> str:
    """An address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def url(host: str, port: int) -> str:
    """Where a person finds what is served."""
    # localhost may stand for another address than the one that is listened on, except this one.
    return f"http://{'localhost' if host == '127.0.0.1' else in_url(host)}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: name or address.
        port: 0 for one that is free.

    Raises:
        AddressError: the address is not available.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)
        except BaseException:
            listening.close()
            raise
    except (OSError, UnicodeError) as error:  # the latter: what can be no name
        reason = getattr(error, "strerror", None) or error
        raise AddressError(
            f"cannot serve on {host or 'no host'}, port {port}: {reason}; choose others with "
            "--host and --port"
        ) from None
    return listening
