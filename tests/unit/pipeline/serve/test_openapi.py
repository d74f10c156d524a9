"""The OpenAPI document says what the server takes and answers."""

import pytest
from jsonschema import Draft202012Validator

X0 = [[[[0.5]] * 8] * 8]


@pytest.fixture(scope="module")
def operation(conditional):
    """What the document says of a call: valid(schema of, content)."""
    status, _, document = conditional.ask("/openapi.json")
    assert status == 200
    assert document["openapi"].startswith("3.1")
    assert document["info"] == {"title": "iadb", "version": "1"}
    return document["paths"]["/v1/models/iadb:predict"]["post"]


def fits(part, content):
    schema = part["content"]["application/json"]["schema"]
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid(content)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"seed": 3, "label": "7"}]},
        {"instances": [{"seed": 3, "label": {"b64": "Nw=="}}], "signature_name": "serving_default"},
        {"inputs": {"seed": [3, 4], "label": ["7", "3"]}},
        {
            "signature_name": "generate",
            "inputs": {"seed": [3], "label": ["7"], "nb_step": 2, "solver": "heun", "guidance": 2},
        },
        {"signature_name": "transport", "inputs": {"x0": X0, "label": ["3"], "nb_step": 2}},
    ],
)
def test_what_fits_the_document_is_answered_as_it_says(conditional, operation, body):
    assert fits(operation["requestBody"], body)
    status, _, answer = conditional.ask("/v1/models/iadb:predict", body)
    assert status == 200
    assert fits(operation["responses"]["200"], answer)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instances": []},
        {"instances": [3]},
        {"instances": [{"seed": 0.5, "label": "7"}]},
        {"inputs": {"seed": [3], "label": [7]}},
        {"inputs": {"seed": [3], "label": ["7"], "nb_step": 2}},
        {"inputs": {"seed": [2**63], "label": ["7"]}},
        {"signature_name": "generate", "inputs": {"seed": [3], "label": ["7"]}},
        {"signature_name": "paint", "inputs": {"seed": [3]}},
        {"signature_name": "transport", "inputs": {"x0": [X0], "label": ["3"], "nb_step": 2}},
        {"signature_name": "generate", "instances": [{"seed": 3, "label": "7", "nb_step": 2}]},
    ],
)
def test_what_does_not_fit_is_rejected(conditional, operation, body):
    assert not fits(operation["requestBody"], body)
    status, _, answer = conditional.ask("/v1/models/iadb:predict", body)
    assert status in (400, 404)
    assert fits(operation["responses"][str(status)], answer)
