"""Where a Kubeflow Pipelines cluster is, and as whom to call it."""

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from trainer.common import exit_codes

NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
TOKEN = re.compile(r"[!-~]+")  # what a header can carry
WITHIN_A_CLUSTER = (".svc", ".svc.cluster.local")


class AccessError(ValueError):
    """An endpoint, namespace or token that cannot be used."""

    exit_code = exit_codes.USAGE


@dataclass(frozen=True)
class Access:
    """What it takes to call a cluster. A token is never shown, nor sent where others can read it.

    Attributes:
        endpoint: http:// or https:// URL that /apis/v2beta1 is below.
        namespace: of the user, on a cluster with many.
        token: bearer token; a file replaces it.
        token_file: file with the token, read anew for each request, as Kubernetes renews them.

    Raises:
        AccessError: if one of them cannot be used.
    """

    endpoint: str
    namespace: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.endpoint)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
            raise AccessError(
                f"--endpoint {_without_user(self.endpoint)}: expected a URL such as "
                "https://kubeflow.example.com/pipeline or http://localhost:8888"
            )
        if "@" in parts.netloc:
            raise AccessError(
                f"--endpoint {_without_user(self.endpoint)}: no user or password here; set "
                "IADB_KFP_TOKEN or give --token-file"
            )
        if self.namespace is not None and not NAMESPACE.fullmatch(self.namespace):
            raise AccessError(
                f"--namespace {self.namespace!r}: expected lower-case letters, digits and -"
            )
        if self.has_token:
            self.read_token()
            if parts.scheme == "http" and not _is_private(host):
                raise AccessError(
                    f"--endpoint {self.endpoint}: the token would be sent unencrypted; give an "
                    "https:// URL, or forward a port of this machine to the cluster"
                )

    @property
    def has_token(self) -> bool:
        """Whether requests carry a token."""
        return self.token is not None or self.token_file is not None

    def read_token(self) -> str:
        """The token as it is now, where there is one."""
        token, source = self.token, "IADB_KFP_TOKEN"
        if self.token_file is not None:
            source = f"--token-file {self.token_file}"
            try:
                token = self.token_file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                raise AccessError(f"{source}: {reason}") from None
        if not TOKEN.fullmatch(token):
            raise AccessError(f"{source}: empty, or has characters that no token has")
        return token


def _is_private(host: str) -> bool:
    """Whether what is sent to a host stays on this machine or in a cluster."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(WITHIN_A_CLUSTER)


def _without_user(endpoint: str) -> str:
    return re.sub(r"[^/]*@", "", endpoint)
