from google.protobuf import text_format
from tensorflow_metadata.proto.v0.schema_pb2 import Schema

from pipeline.schema import min_images, read_schema


def test_the_images_that_a_split_must_have_are_those_of_the_schema():
    schema = text_format.Parse(read_schema(None), Schema())
    (digest,) = (feature for feature in schema.feature if feature.name == "sha256")
    assert min_images() == schema.dataset_constraints.min_examples_count
    assert min_images() == digest.unique_constraints.min
