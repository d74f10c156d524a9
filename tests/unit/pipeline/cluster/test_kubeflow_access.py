import pytest

from pipeline.cluster.access import Access, AccessError


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "localhost:8888",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://[::1",
        "http://host/#/runs",
        "http://host/?a=b",
    ],
)
def test_an_endpoint_that_is_not_the_url_of_an_api_is_rejected(endpoint):
    with pytest.raises(AccessError, match="expected a URL such as"):
        Access(endpoint)


def test_a_password_in_an_endpoint_is_rejected_and_not_printed():
    with pytest.raises(AccessError) as caught:
        Access("https://me:secret@host/pipeline")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["http://kubeflow.example.com", "http://localhost.evil.com"])
def test_a_token_is_not_sent_unencrypted_over_a_network(endpoint):
    with pytest.raises(AccessError, match="unencrypted") as caught:
        Access(endpoint, token="secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://kubeflow.example.com",
        "http://127.0.0.1:8888",
        "http://[::1]:8888",
        "http://localhost:8888",
        "http://ml-pipeline.kubeflow.svc.cluster.local:8888",
    ],
)
def test_a_token_is_sent_encrypted_or_within_a_machine_or_cluster(endpoint):
    assert Access(endpoint, token="secret").has_token


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Evil: 1", "tökén"])
def test_a_token_that_no_header_can_carry_is_rejected_and_not_printed(token, tmp_path):
    with pytest.raises(AccessError, match="IADB_KFP_TOKEN") as caught:
        Access("https://host", token=token)
    assert not token or token not in str(caught.value)
    (tmp_path / "token").write_text(token, "utf-8")
    with pytest.raises(AccessError, match="--token-file"):
        Access("https://host", token_file=tmp_path / "token")


def test_an_unreadable_token_file_is_reported(tmp_path):
    with pytest.raises(AccessError, match="No such file"):
        Access("https://host", token_file=tmp_path / "token")


def test_a_token_is_not_printed():
    assert "secret" not in repr(Access("https://host", token="secret"))
