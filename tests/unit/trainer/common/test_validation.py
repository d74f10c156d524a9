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


class Outer(BaseModel, extra="forbid"):
    inner: Inner
    sides: tuple[int, ...] = ()


def error_of(values):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return caught.value.errors()[0]


def test_an_invalid_value_is_shown_with_its_key_and_the_reason():
    error = error_of({"inner": {"size": -1}})
    assert explain(error) == "inner.size: got -1; input should be greater than 0"
    assert explain_reason(error) == "input should be greater than 0"


def test_reasons_are_in_the_words_of_a_file_and_not_of_python():
    assert explain(error_of({"inner": 5})) == "inner: got 5; expected keys below it"
    error = error_of({"inner": {}, "sides": 3})
    assert explain(error) == "sides: got 3; expected a list: [..., ...]"
    error = error_of({True: 5, "inner": {}})
    assert explain(error) == "got the key True; keys must be text: correct it, or put it in quotes"


def test_a_rule_about_several_keys_is_shown_without_their_values():
    assert explain(error_of({"inner": {"size": 10}})) == "inner: size=10 exceeds limit=9"
    assert explain(error_of({})) == "inner: field required"


def test_an_error_without_a_key_starts_with_the_value():
    assert explain(error_of("x")).startswith("got 'x'; ")
