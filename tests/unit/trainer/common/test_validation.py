import pytest
from pydantic import BaseModel, PositiveInt, ValidationError, model_validator

from trainer.common.validation import explain, explain_reason


class Inner(BaseModel):
    size: PositiveInt = 1
    limit: int = 9

    @model_validator(mode="after")
    def _size_is_below_limit(self):
        if self.size > self.limit:
            raise ValueError(f"size={self.size} exceeds limit={self.limit}")
        return self


class Outer(BaseModel):
    inner: Inner


def error_of(values):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return caught.value.errors()[0]


def test_an_invalid_value_is_shown_with_its_key_and_the_reason():
    error = error_of({"inner": {"size": -1}})
    assert explain(error) == "inner.size: got -1; input should be greater than 0"
    assert explain_reason(error) == "input should be greater than 0"


def test_a_rule_about_several_keys_is_shown_without_their_values():
    assert explain(error_of({"inner": {"size": 10}})) == "inner: size=10 exceeds limit=9"
    assert explain(error_of({})) == "inner: field required"


def test_an_error_without_a_key_starts_with_the_value():
    assert explain(error_of("x")).startswith("got 'x'; ")
