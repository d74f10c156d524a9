"""Builds a student that learns mean slopes, from the weights of its teacher."""

from trainer.build import build_model, compile_model
from trainer.dataset import TrainingData
from trainer.fit.stored_weights import load_weights, read_sampling
from trainer.networks.step_length import widened
from trainer.networks.unet import build_unet
from trainer.networks.within_range import within_range
from trainer.ode import solvers
from trainer.ode.guidance import evaluations_per_slope
from trainer.ode.sampling import SamplingModel
from trainer.ode.step_grids import step_ends
from trainer.options import ModelOptions, SampleOptions, TrainOptions
from trainer.step.ema import ExponentialMovingAverage
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
    drawing = SamplingModel(
        learned.sampling_network,
        None,
        learned.solver,
        learned.nb_class,
        learned.guidance,
        sampling.nb_step,
        guide=learned.guide if sampling.autoguidance != 1.0 else None,
        autoguidance=sampling.autoguidance,
        autoguidance_interval=sampling.autoguidance_interval,
    )
    return student_of(drawing, model, train, sample, data.shape)


def student_of(
    teacher: SamplingModel,
    model: ModelOptions,
    train: TrainOptions,
    sample: SampleOptions,
    shape: tuple[int, int, int],
) -> MeanFlowModel:
    """The student of a teacher that is in memory; `shape` is (H, W, C) of an image."""
    network = build_unet(model, shape, train.precision, teacher.nb_class, source_channels=1)
    network.set_weights(widened(teacher.sampling_network.get_weights(), network))
    guided = evaluations_per_slope(teacher.guidance, teacher.autoguidance) > 1
    if not guided:  # whose path leads beyond the range
        network = within_range(network)
    student = MeanFlowModel(
        network,
        teacher=teacher,
        alphas=step_ends(sample.nb_step, sample.grid),
        to_image=0.0 if guided else TO_IMAGE,
        ema=ExponentialMovingAverage(network, train.ema.half_life, train.ema.warmup),
        solver=solvers.get(sample.solver, sample.grid),
        seed=train.seed,
        nb_class=teacher.nb_class,
        label_dropout=train.label_dropout,
    )
    compile_model(student, train)
    return student
