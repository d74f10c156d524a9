"""What the trainings of the benchmarks compare is valid, and differs in what is compared."""

import pytest

from benchmarks import ingredients
from trainer.options import ModelOptions, TrainOptions


def model_options(network):
    known = {key: value for key, value in network.items() if key in ModelOptions.model_fields}
    return ModelOptions.model_validate(known)


@pytest.mark.parametrize("name", list(ingredients.VARIANTS)[1:])
def test_a_variant_changes_the_key_that_it_is_named_after(name):
    (before, options), (after, others) = map(ingredients.setup, ("as in the preset", name), (1, 1))
    changed = _changed("model", *(model_options(n).model_dump() for n in (before, after)))
    changed |= _changed("train", *(TrainOptions(**o).model_dump() for o in (options, others)))
    key, _, value = name.partition("=")
    assert changed == {key: value}


def _changed(section, before, after):
    changed = {}
    for key, value in after.items():
        if isinstance(value, dict):
            changed |= _changed(f"{section}.{key}", before[key], value)
        elif value != before[key]:
            changed[f"{section}.{key}"] = str(value).lower()
    return changed
