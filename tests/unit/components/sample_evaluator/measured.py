"""What an evaluation measured, as numbers by the names that TFMA has for them."""

from tensorflow_model_analysis.proto import validation_result_pb2

from components.sample_evaluator.measure.results import parse


def source(images=200, flat=0, distinct=None, equal=0, **metrics):
    """The result of one source."""
    counts = {
        "images": images,
        "flat_images": flat,
        "distinct_images": images if distinct is None else distinct,
        "equal_images": equal,
    }
    return parse(counts | metrics)


def passing():
    """A validation that nothing fails in."""
    return validation_result_pb2.ValidationResult(validation_ok=True)


def failing(*metrics, label=None):
    """A validation that the candidate fails in metrics, over all samples or those of a label."""
    validation = validation_result_pb2.ValidationResult(validation_ok=False)
    found = validation.metric_validations_per_slice.add()
    if label:
        found.slice_key.single_slice_keys.add(column="label", bytes_value=label.encode())
    for name in metrics:
        key = found.failures.add().metric_key
        key.name, key.model_name = name, "candidate"
    return validation
