import pytest
from google.protobuf import text_format
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.schema_importer import SchemaImporter
from pipeline.schema import read_schema


def write(folder, text):
    schema = standard_artifacts.Schema()
    schema.uri = str(folder)
    SchemaImporter.test_call(schema=schema, text=text, source_hash="")


def test_tfx_finds_the_schema(tmp_path):
    write(tmp_path, read_schema(None))
    schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(str(tmp_path)))
    assert {"image", "label", "sha256"} <= {feature.name for feature in schema.feature}


def test_a_text_that_is_not_a_schema_is_rejected(tmp_path):
    with pytest.raises(text_format.ParseError):
        write(tmp_path, "root:x:0:0")
    assert not list(tmp_path.iterdir())
