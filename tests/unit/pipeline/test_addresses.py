"""What a server listens on, and what it is called."""

import pytest

from pipeline.addresses import AddressError, is_loopback, listen, names_of, url, without_port


def test_loopback_is_known_by_address_and_name():
    assert all(map(is_loopback, ("127.0.0.1", "127.0.0.2", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.7", "pages.example")))


@pytest.mark.parametrize(
    ("host", "name"), [("127.0.0.1", "localhost"), ("127.0.0.2", "127.0.0.2"), ("::1", "[::1]")]
)
def test_the_url_is_that_of_the_address_that_is_listened_on(host, name):
    assert url(host, 8030) == f"http://{name}:8030"
    assert name in names_of(host)


def test_a_public_address_has_any_name():
    assert names_of("0.0.0.0") is None
    assert names_of("pages.example") is None


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("LocalHost:80", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:8030", "[::1]"),
        ("[::1]", "[::1]"),
    ],
)
def test_a_port_is_no_part_of_a_name(header, name):
    assert without_port(header) == name


@pytest.mark.parametrize("host", ["a" * 70, "no.such.host.invalid"])
def test_a_host_that_is_none_is_one_line(host):
    with pytest.raises(AddressError, match=f"cannot serve on {host}, port 0: .*; choose others"):
        listen(host, 0)
