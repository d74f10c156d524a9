"""Addresses that a server of this machine listens on, and what they are called."""

import ipaddress
import re


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
