"""Folders and files in S3, or a server with its API, by boto3.

Credentials, region and endpoint come from where boto3 finds them: the environment
(AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL), ~/.aws, or the role of the machine. botocore repeats requests
that were throttled or failed, with growing waits; AWS_MAX_ATTEMPTS and AWS_RETRY_MODE set how many.
What breaks off while it is read is requested again here, since botocore does not see it.
"""

import errno
import functools
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from components.image_example_gen.errors import ImageDataError, StorageError
from components.image_example_gen.storage.base import Stat
from trainer.common.text import first_line, shorten, without_secrets

try:
    import boto3
    import botocore.session
    from botocore.client import BaseClient
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
        HTTPClientError,
        IncompleteReadError,
        NoCredentialsError,
        PartialCredentialsError,
        ProfileNotFound,
        TokenRetrievalError,
    )
except ImportError as error:
    raise StorageError(
        f"s3:// needs boto3 ({error}); in the folder of the project, run: pip install '.[s3]'"
    ) from None

ATTEMPTS = 5  # of a request, and of reading what it returns
CONNECT_SECONDS, READ_SECONDS = 10, 30  # without an answer
MAX_WAIT_SECONDS = 8
CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    ProfileNotFound,
    TokenRetrievalError,
)
SET_THEM = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
REFUSED = {  # codes that concern the credentials, not what is read
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "UnauthorizedAccess",
}
OF_A_FILE = {  # codes that concern one object
    "NoSuchKey": (errno.ENOENT, os.strerror(errno.ENOENT)),
    "404": (errno.ENOENT, os.strerror(errno.ENOENT)),
    "AccessDenied": (errno.EACCES, os.strerror(errno.EACCES)),
    "403": (errno.EACCES, os.strerror(errno.EACCES)),
    "InvalidObjectState": (errno.EACCES, "archived: restore it first"),
}


class _BrokenOffError(Exception):
    """The connection ended while an object was read."""


class S3:
    """A Storage (remote.py) in buckets. A URI is s3://bucket/key."""

    def is_folder(self, uri: str) -> bool:
        """Whether the URI is a bucket, or the beginning of a key before a slash."""
        bucket, key = _split(uri)
        with _listing(uri):
            found = _client().list_objects_v2(Bucket=bucket, Prefix=_prefix(key), MaxKeys=1)
        return not key or bool(found.get("KeyCount"))

    def exists(self, uri: str) -> bool:
        """Whether the URI is an object."""
        bucket, key = _split(uri)
        with _listing(uri):
            found = _client().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        return any(each["Key"] == key for each in found.get("Contents", ()))

    def list_folders(self, uri: str) -> list[str]:
        """Lists the names of the folders in a folder."""
        prefix = _prefix(_split(uri)[1])
        return [
            each["Prefix"].removeprefix(prefix).rstrip("/")
            for page in _pages(uri, Delimiter="/")
            for each in page.get("CommonPrefixes", ())
        ]

    def walk(self, uri: str) -> Iterator[tuple[str, Stat | None]]:
        """Yields the objects below a folder, with a request for each thousand."""
        prefix = _prefix(_split(uri)[1])
        for page in _pages(uri):
            for found in page.get("Contents", ()):
                path = found["Key"].removeprefix(prefix)
                if not path.endswith("/") and path:  # made by consoles to show an empty folder
                    time = _time(found["LastModified"], found["ETag"])
                    yield path, Stat(found["Size"], time)

    def stat(self, uri: str) -> Stat:
        """Returns size and time of an object."""
        bucket, key = _split(uri)
        with _translated(uri):
            found = _client().head_object(Bucket=bucket, Key=key)
        return Stat(found["ContentLength"], _time(found["LastModified"], found["ETag"]))

    def read(self, uri: str, max_bytes: int) -> bytes | None:
        """Reads an object; None if it has more bytes."""
        return self._get(uri, max_bytes)

    def read_range(self, uri: str, start: int, size: int) -> bytes:
        """Reads so many bytes of an object, fewer at its end."""
        return self._get(uri, size, Range=f"bytes={start}-{start + size - 1}")

    def _get(self, uri: str, max_bytes: int, **arguments: str) -> bytes | None:
        bucket, key = _split(uri)
        attempts = Retrying(
            retry=retry_if_exception_type(_BrokenOffError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential_jitter(0.1, MAX_WAIT_SECONDS),
            reraise=True,
        )
        try:
            for attempt in attempts:
                with attempt, _translated(uri):
                    found = _client().get_object(Bucket=bucket, Key=key, **arguments)
                    if found["ContentLength"] > max_bytes:
                        found["Body"].close()
                        return None
                    try:
                        return found["Body"].read()
                    except (HTTPClientError, IncompleteReadError) as error:
                        raise _BrokenOffError(first_line(error)) from error
        except _BrokenOffError as error:
            raise StorageError(
                f"{uri}: the connection broke off {ATTEMPTS} times while it was read: {error}"
            ) from error


def _client() -> BaseClient:
    return _client_of(os.getpid())  # a fork must not share connections


@functools.lru_cache(maxsize=1)
def _client_of(process: int) -> BaseClient:
    core = botocore.session.get_session()
    retries = {}
    if core.get_config_variable("max_attempts") is None:
        retries = {"total_max_attempts": ATTEMPTS}
    config = Config(retries=retries, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)
    return boto3.Session(botocore_session=core).client("s3", config=config)


def _split(uri: str) -> tuple[str, str]:
    """Returns bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise ImageDataError(f"{uri}: no bucket; expected s3://bucket/folder")
    return bucket, key


def _prefix(key: str) -> str:
    return f"{key}/" if key else ""


def _pages(uri: str, **arguments: str) -> Iterator[dict[str, Any]]:
    bucket, key = _split(uri)
    with _listing(uri):
        paginator = _client().get_paginator("list_objects_v2")
        yield from paginator.paginate(Bucket=bucket, Prefix=_prefix(key), **arguments)


def _time(modified: Any, etag: str) -> int:
    """Nanoseconds since 1970. S3 has whole seconds; what is below them follows from the ETag.

    An object that is overwritten twice in a second would otherwise look unchanged.
    """
    digest = hashlib.blake2b(etag.encode(), digest_size=8).digest()
    return int(modified.timestamp()) * 10**9 + int.from_bytes(digest) % 10**9


@contextmanager
def _listing(uri: str) -> Iterator[None]:
    """Translates errors of a whole folder, for which every reason is one of the storage."""
    try:
        with _translated(uri):
            yield
    except OSError as error:
        raise StorageError(
            f"{uri}: cannot be listed ({error.strerror}): the credentials need s3:ListBucket"
        ) from error


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _of_response(uri, error) from error
    except CREDENTIALS as error:
        raise StorageError(f"{uri}: no credentials: {first_line(error)}; {SET_THEM}") from error
    except BotoCoreError as error:
        reason = without_secrets(first_line(error))  # the endpoint may have a password
        raise StorageError(f"{uri}: cannot be read: {reason}") from error
    except ValueError as error:  # of settings, such as an endpoint without https://
        reason = without_secrets(first_line(error))
        raise StorageError(
            f"{uri}: cannot be read: {reason}; correct AWS_ENDPOINT_URL, AWS_MAX_ATTEMPTS or "
            "another variable of AWS"
        ) from error


def _of_response(uri: str, error: ClientError) -> Exception:
    """The error that stands for one that the server answered with."""
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), details.get("Message") or str(error)
    if code == "NoSuchBucket":
        return ImageDataError(f"{uri}: no such bucket")
    if code in OF_A_FILE:
        return OSError(*OF_A_FILE[code])
    reason = f"{code}, {shorten(message)}"
    if code in REFUSED:
        return StorageError(f"{uri}: the credentials are refused ({reason}); {SET_THEM}")
    return StorageError(f"{uri}: S3 refuses or fails, after retries ({reason})")
