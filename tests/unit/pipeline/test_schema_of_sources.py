"""The schema of examples with sources."""

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0.schema_pb2 import Schema

from pipeline.schema import read_schema
from trainer import examples

OWN = 'feature { name: "image" type: BYTES }'
SOURCES = [examples.SOURCE, examples.SOURCE_MEAN, examples.SOURCE_STDDEV]


def names(text):
    return [feature.name for feature in text_format.Parse(text, Schema()).feature]


def test_sources_are_described_where_there_are_any():
    assert names(read_schema(None, paired=True)) == names(read_schema(None)) + SOURCES
    assert not set(SOURCES) & set(names(read_schema(None)))


@pytest.mark.parametrize("described", [False, True])
def test_a_schema_of_ones_own_need_not_describe_them(tmp_path, described):
    file = tmp_path / "schema.pbtxt"
    file.write_text(OWN + ('feature { name: "source" type: BYTES }' if described else ""))
    expected = ["image", "source"] if described else ["image", *SOURCES]
    assert names(read_schema(str(file), paired=True)) == expected
