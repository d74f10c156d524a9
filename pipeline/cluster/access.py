"""The address and credentials of a Kubeflow Pipelines cluster."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.addresses import is_loopback
from trainer.common import exit_codes

TOKEN = re.compile(r"[!-~]+")  # the characters that a header can carry
CLUSTER_DOMAINS = (".svc", ".svc.cluster.local")


class AccessError(ValueError):
    """An endpoint, namespace or token that is missing or not valid."""

    exit_code = exit_codes.USAGE


@dataclass(frozen=True)
class Access:
    """How to call a cluster. A token is never printed, nor sent unencrypted over a network.

    Attributes:
        endpoint: http:// or https:// URL that /apis/v2beta1 is below.
        namespace: of the user, on a multi-user cluster.
        token: bearer token.
        token_file: replaces `token`; read for each request, because Kubernetes renews tokens.

    Raises:
        AccessError: the endpoint or the token is not valid.
    """

    endpoint: str
    namespace: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None

    def __post_init__(self) -> None:
        shown = re.sub(r"[^/]*@", "", self.endpoint)
        try:
            parts = urlsplit(self.endpoint)
            valid = parts.scheme in ("http", "https") and self.host and parts.port != 0
        except ValueError:
            valid = False
        if not valid or {"@", "?", "#"} & {*self.endpoint}:
            raise AccessError(
                f"--endpoint {shown}: expected a URL such as https://kubeflow.example.com/pipeline "
                "or http://localhost:8888, without a user or password: set IADB_KFP_TOKEN or "
                "--token-file instead"
            )
        if self.has_token:
            self.read_token()
            inside = is_loopback(self.host) or self.host.endswith(CLUSTER_DOMAINS)
            if parts.scheme == "http" and not inside:
                raise AccessError(
                    f"--endpoint {self.endpoint}: would send the token unencrypted; use an "
                    "https:// URL, or forward a local port to the cluster"
                )

    @property
    def host(self) -> str:
        """The name or address in the endpoint."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def has_token(self) -> bool:
        """Whether requests carry a token."""
        return self.token is not None or self.token_file is not None

    def read_token(self) -> str:
        """The current token.

        Raises:
            AccessError: the file is not readable, or the token cannot be sent in a header.
        """
        token, source = self.token, "IADB_KFP_TOKEN"
        if self.token_file is not None:
            source = f"--token-file {self.token_file}"
            try:
                token = self.token_file.read_text("latin-1").strip()
            except OSError as error:
                raise AccessError(f"{source}: {error.strerror}") from None
        if not TOKEN.fullmatch(token):
            raise AccessError(f"{source}: empty, or contains characters that are not allowed")
        return token
