import pytest

from components.parameters import ParameterError
from pipeline.cluster.package import CompiledPackage, parse_parameters


@pytest.fixture
def every_type(tmp_path):
    kinds = ("NUMBER_INTEGER", "NUMBER_DOUBLE", "STRING")
    parameters = {kind.lower(): {"parameterType": kind, "defaultValue": 0} for kind in kinds}
    return CompiledPackage(tmp_path, parameters, {})


def test_a_package_has_parameters_and_tasks(package):
    assert package.parameters == {
        "data_folder": {"parameterType": "STRING"},
        "steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 1000, "isOptional": True},
    }
    assert package.tasks == {"node": "ImageExampleGen", "node-2": "Trainer"}


def test_values_have_the_types_of_the_package(every_type):
    settings = ["number_integer=7", "number_double=1e-3", "string=a=b", "number_integer=8"]
    assert parse_parameters(every_type, settings) == {
        "number_integer": 8,
        "number_double": 0.001,
        "string": "a=b",
    }


@pytest.mark.parametrize(
    "setting",
    [
        "number_integer=abc",
        "number_integer=1.5",
        "number_integer=true",
        "number_integer=",
        "number_integer=" + "9" * 5000,
        "number_double=NaN",
        "number_double=1e999",
    ],
)
def test_a_value_of_another_type_is_rejected(every_type, setting):
    with pytest.raises(ParameterError, match="expected"):
        parse_parameters(every_type, [setting])


def test_a_setting_without_a_value_is_rejected(package):
    with pytest.raises(ParameterError, match="expected NAME=VALUE"):
        parse_parameters(package, ["steps"])


def test_an_unknown_name_is_rejected_with_a_similar_one_or_all(package):
    with pytest.raises(ParameterError, match=r"^--param stepz: unknown; did you mean steps\?$"):
        parse_parameters(package, ["stepz=1"])
    with pytest.raises(ParameterError, match="the pipeline's parameters: data_folder, steps"):
        parse_parameters(package, ["=1"])


def test_a_parameter_without_a_default_is_required(package):
    with pytest.raises(ParameterError, match="data_folder"):
        parse_parameters(package, ["steps=1"])
