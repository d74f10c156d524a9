"""The blessed models among artifacts, which every resolver of this project chooses from."""

from collections.abc import Sequence
from typing import NamedTuple

from tfx import types

from components.image_trainer import names as trainer_names
from components.resolvers.choice import Blessing, order_blessed
from components.resolvers.withdrawal import is_withdrawn
from components.sample_evaluator import names as evaluator_names


class BlessedModel(NamedTuple):
    """A Model and the latest ModelBlessing that blesses it."""

    model: types.Artifact
    blessing: types.Artifact


def blessed_models(
    models: Sequence[types.Artifact], blessings: Sequence[types.Artifact]
) -> dict[int, BlessedModel]:
    """The blessed models by id, in the order of `order_blessed`.

    Withdrawn models are left out, and students: each is compared with its teacher alone, and
    nothing learns from it.
    """
    by_id = {artifact.id: artifact for artifact in (*models, *blessings)}
    order = order_blessed(
        {model.id for model in models if not (is_withdrawn(model) or _is_student(model))},
        [
            Blessing(
                blessing.id,
                blessing.get_int_custom_property(evaluator_names.MODEL_ID),
                blessing.get_int_custom_property(evaluator_names.BLESSED) == 1,
            )
            for blessing in blessings
        ],
    )
    return {model: BlessedModel(by_id[model], by_id[blessing]) for model, blessing in order.items()}


def _is_student(model: types.Artifact) -> bool:
    return model.has_custom_property(trainer_names.TEACHER)
