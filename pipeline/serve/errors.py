"""A request that cannot be answered."""


class RequestError(Exception):
    """A request that is answered with an error; the message is one line.

    Args:
        message: for the client.
        status: of HTTP.
        retry_after: seconds after which the client may try again; None to send no such header.
    """

    def __init__(self, message: str, status: int = 400, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
