"""The nodes that distill a model into a student, judge it against its teacher and push it."""

from dataclasses import dataclass
from typing import Any

from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types.channel import BaseChannel

from components.atomic_pusher import names as pusher_names
from components.atomic_pusher.component import AtomicPusher
from components.image_trainer import names as trainer_names
from components.image_trainer.component import ImageTrainer
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.component import SampleEvaluator
from components.sample_evaluator.options import EvaluateOptions
from components.source_hash import source_hash
from pipeline.distillation.options import DistillOptions
from pipeline.workspace import Locations
from trainer.names import STUDENT_KEY
from trainer.ode.guidance import evaluations_per_slope

TRAINING = "trainer.run_fn"  # the module that trains students as well as teachers


@dataclass(frozen=True)
class Teacher:
    """A model to distill, what it was trained on, and how it was judged.

    Attributes:
        model: the Model.
        examples: that it was trained on.
        transform_graph: of these.
        features: of their images, from RealFeatures.
        evaluation: of the model.
        config: the `custom_config` of its training (trainer/run_fn.py).
        steps: of that training.
    """

    model: BaseChannel
    examples: BaseChannel
    transform_graph: BaseChannel
    features: BaseChannel
    evaluation: BaseChannel
    config: dict[str, Any]
    steps: int


def student_nodes(
    teacher: Teacher,
    distill: DistillOptions,
    evaluate: EvaluateOptions,
    samples: int | RuntimeParameter,
    locations: Locations,
) -> list[BaseNode]:
    """Returns the student's Trainer, SampleEvaluator and Pusher.

    Args:
        teacher: what the student is distilled from and compared with.
        distill: steps, network evaluations.
        evaluate: how the teacher was judged.
        samples: as many as the teacher was judged by.
        locations: where everything is.
    """
    trainer = ImageTrainer(
        examples=teacher.examples,
        transform_graph=teacher.transform_graph,
        run_fn=f"{TRAINING}.run_fn",
        steps=distill.steps_for(teacher.steps),
        base_model=teacher.model,
        custom_config=_training_config(teacher.config, distill),
    ).with_id(trainer_names.STUDENT)
    student = trainer.outputs[trainer_names.MODEL]
    evaluator = SampleEvaluator(
        examples=teacher.examples,
        features=teacher.features,
        transform_graph=teacher.transform_graph,
        model=student,
        baseline=teacher.model,
        history=teacher.evaluation,
        options=distill.judging(evaluate),
        samples=samples,
        source_hash=source_hash("components.sample_evaluator.executor"),
    ).with_id(evaluator_names.STUDENT_NODE)
    pusher = AtomicPusher(
        model=student,
        model_blessing=evaluator.outputs[evaluator_names.BLESSING],
        evaluation=evaluator.outputs[evaluator_names.EVALUATION],
        examples=teacher.examples,
        serving=locations.serving,
        push=locations.push,
        teacher=teacher.model,
    ).with_id(pusher_names.STUDENT_NODE)
    return [trainer, evaluator, pusher]


def _training_config(config: dict[str, Any], distill: DistillOptions) -> dict[str, Any]:
    """The `custom_config` of a student's training, from that of its teacher's."""
    training, sample = config["train"], config["sample"]
    guided = evaluations_per_slope(sample["guidance"], sample["autoguidance"]) > 1
    return {
        **config,
        STUDENT_KEY: True,
        "train": {
            **training,
            "learning_rate": distill.learning_rate,
            "warmup_steps": None,
            # Samples are not augmented.
            "flip": False,
            "augment": 0.0,
            "warm_start": False,
        },
        # Guidance is part of what the student learns.
        "sample": {
            **sample,
            # One slope is all that a student learns of a step.
            "solver": "euler",
            # Without guidance, equal steps are best for mean slopes (docs/decisions.md).
            "grid": "late" if guided else "uniform",
            "nb_step": distill.nfe,
            "guidance": 1.0,
            "autoguidance": 1.0,
        },
    }
