"""Parity with diffusers, without torch: the reference's outputs are in fixtures.

`make parity` runs the reference and compares all configurations.
"""

from pathlib import Path

import pytest
from comparison import CONFIGURATIONS, MAX_RELATIVE_ERROR, compare

FIXTURES = Path(__file__).with_name("fixtures")
FIXTURE = FIXTURES / "tiny.npz"


@pytest.mark.parametrize("name", ["tiny", "scale_shift"])
def test_the_network_with_the_references_weights_computes_its_outputs(name):
    result = compare(CONFIGURATIONS[name], FIXTURES / f"{name}.npz")
    assert result.parameters == result.reference_parameters
    assert result.relative_error <= MAX_RELATIVE_ERROR


def test_another_architecture_does_not_pass_for_the_reference():
    deeper = CONFIGURATIONS["tiny"].model_copy(update={"blocks": 2})
    with pytest.raises(KeyError):
        compare(deeper, FIXTURE)
    without = CONFIGURATIONS["tiny"].model_copy(update={"attention": (False, False, False)})
    with pytest.raises(ValueError, match="without a counterpart"):
        compare(without, FIXTURE)
