"""Builds a student that learns mean slopes, from the weights of its teacher."""

from trainer.build import build_model, compile_model, training_of
from trainer.dataset import TrainingData
from trainer.fit.stored_weights import load_weights, read_sampling
from trainer.iadb import Sampling
from trainer.networks.step_length import widened
from trainer.networks.unet import build_unet
from trainer.networks.within_range import within_range
from trainer.ode.field import GuidedField
from trainer.ode.guidance import evaluations_per_slope
from trainer.ode.methods import step_ends
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions
from trainer.student.mean_flow import TO_IMAGE, MeanFlowModel


def build_student(
    data: TrainingData,
    model: ModelOptions,
    train: TrainOptions,
    sample: SampleOptions,
    teacher: str,
) -> MeanFlowModel:
    """Builds and compiles a student whose slopes are at first those of its teacher.

    Without guidance, they are kept within range.

    Args:
        data: that it is trained on.
        model: the network, which is that of the teacher.
        train: precision, optimizer, average and seed.
        sample: the steps that the student draws with.
        teacher: its sampler SavedModel, with the weights beside it.

    Raises:
        MisfitError: the weights of the teacher cannot be read, or are of another network.
    """
    sampling = read_sampling(teacher)
    learned = build_model(model, train, sampling, data.shape, len(data.labels))
    load_weights(learned, teacher, model, data.shape, data.labels, data.split)
    # Of the teacher, only what draws stays in memory.
    return student_of(learned.field, model, train, sample, data.shape)


def student_of(
    teacher: GuidedField,
    model: ModelOptions,
    train: TrainOptions,
    sample: SampleOptions,
    shape: tuple[int, int, int],
) -> MeanFlowModel:
    """The student of a teacher that is in memory; `shape` is (H, W, C) of an image."""
    network = build_unet(model, shape, train.precision, teacher.nb_class, source_channels=1)
    network.set_weights(widened(teacher.network.get_weights(), network))
    guided = evaluations_per_slope(teacher.guidance.label, teacher.guidance.auto) > 1
    if not guided:  # whose path leads beyond the range
        network = within_range(network)
    student = MeanFlowModel(
        network,
        teacher=teacher,
        alphas=step_ends(sample.nb_step, sample.grid),
        to_image=0.0 if guided else TO_IMAGE,
        nb_class=teacher.nb_class,
        training=training_of(train),
        sampling=Sampling(sample.solver, sample.grid, sample.nb_step),
    )
    compile_model(student, train)
    return student
