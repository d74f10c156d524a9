"""An S3 server with a few small files in place of images."""

import pytest

from components.image_example_gen.storage import s3
from tests.s3_server import BUCKET, environment, s3_server

FOLDER = f"s3://{BUCKET}/images"


@pytest.fixture(scope="module")
def server():
    with s3_server() as (faulty, client):
        for key in ("cats/a.png", "cats/b.JPG", "labels.csv", ".git/x.png", "cats/.y.png", "dogs/"):
            client.put_object(Bucket=BUCKET, Key=f"images/{key}", Body=key.encode())
        client.put_object(Bucket=BUCKET, Key="images/odd//../š & +.png", Body=b"odd")
        client.put_object(Bucket=BUCKET, Key="images-too/z.png", Body=b"z")
        client.put_object(Bucket=BUCKET, Key="large/x.png", Body=b"x" * 300_000)
        client.put_object(Bucket=BUCKET, Key="large/empty.png", Body=b"")
        yield faulty, client


@pytest.fixture
def faulty(server, monkeypatch):
    """The server without faults, as boto3 finds it in the environment."""
    found, _ = server
    for name, value in environment(found.url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setattr(s3, "MAX_WAIT_SECONDS", 0.01)
    s3._client_of.cache_clear()
    found.faults.clear()
    found.requests.clear()
    yield found
    s3._client_of.cache_clear()
