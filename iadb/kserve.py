"""A model as a predictor of KServe, over REST v1 and v2 and gRPC; needs the extra `kserve`.

    python -m iadb.kserve --model_name digits --model_dir workspace

TensorFlow is not imported if the model has its network as ONNX.
"""

import asyncio
import base64
import uuid
from typing import Any

import kserve
import numpy as np
from kserve import InferOutput, InferRequest, InferResponse
from kserve.errors import InvalidInput
from kserve.model_server import parser

from iadb.arguments import each_seed, known_labels
from iadb.model import Model, load
from pipeline.drawing import draw_samples
from trainer.common.image_grid import encode_png


class Predictor(kserve.Model):
    """Draws images from seeds, one request after the other, since each takes all cores.

    v1 gets instances as TF Serving does, seeds or `{"seed": 0, "label": "3"}`, and returns PNGs.
    v2 and gRPC get `seed`, INT64 [N], and for a conditional model `label`, BYTES [N], and return
    `image`, UINT8 [N, H, W, C]. Without a label, an image is of any class.

    Args:
        name: of the model in URLs.
        model: that draws from noise.

    Raises:
        ValueError: the model translates.
    """

    def __init__(self, name: str, model: Model) -> None:
        super().__init__(name)
        if model.about.source:
            raise ValueError(f"{model!r} translates images; serve it with TF Serving")
        self._model = model
        self._turn = asyncio.Lock()
        self.ready = True

    async def predict(
        self, payload: dict[str, Any] | InferRequest, headers: dict[str, str] | None = None
    ) -> dict[str, Any] | InferResponse:
        """Answers a request.

        Raises:
            InvalidInput: it has no seeds, more than the limit of the model, or ones that are no
                int64, or a label that the model does not know.
        """
        is_v2 = isinstance(payload, InferRequest)
        try:
            seeds, labels = _of_tensors(payload) if is_v2 else _of_instances(payload)
            seeds = each_seed(seeds)
            labels = known_labels(self._model, labels, len(seeds))
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        most = self._model.about.limits.images
        if not 0 < len(seeds) <= most:
            raise InvalidInput(f"expected 1 to {most} seeds, got {len(seeds)}")
        async with self._turn:
            images = await asyncio.to_thread(draw_samples, self._model, seeds, label=labels)
        if not is_v2:
            pngs = [encode_png(image, self._model.mark) for image in images]
            return {"predictions": [{"b64": base64.b64encode(png).decode()} for png in pngs]}
        output = InferOutput("image", list(images.shape), "UINT8")
        output.set_data_from_numpy(images, binary_data=payload.from_grpc)
        return InferResponse(payload.id or str(uuid.uuid4()), self.name, [output])


def _of_instances(payload: dict[str, Any]) -> tuple[list, list]:
    """Seeds and labels of a request of v1."""
    instances = payload.get("instances") if isinstance(payload, dict) else None
    if not isinstance(instances, list):
        raise ValueError('expected {"instances": [seeds, or {"seed": 0, "label": ""}]}')
    rows = [each if isinstance(each, dict) else {"seed": each} for each in instances]
    if unknown := {key for row in rows for key in row} - {"seed", "label"}:
        raise ValueError(f"expected seed and label in an instance, got {sorted(unknown)}")
    return [row.get("seed") for row in rows], [row.get("label", "") for row in rows]


def _of_tensors(request: InferRequest) -> tuple[list, list]:
    """Seeds and labels of a request of v2."""
    tensors = {tensor.name: tensor for tensor in request.inputs}
    if not {"seed"} <= tensors.keys() <= {"seed", "label"}:
        raise ValueError(f"expected the inputs seed and label, got {sorted(tensors)}")
    if tensors["seed"].datatype != "INT64":
        raise ValueError(f"expected seed of type INT64, got {tensors['seed'].datatype}")
    seeds = np.ravel(tensors["seed"].as_numpy()).tolist()
    if "label" not in tensors:
        return seeds, [""] * len(seeds)
    labels = np.ravel(tensors["label"].as_numpy()).tolist()
    return seeds, [each.decode() if isinstance(each, bytes) else each for each in labels]


if __name__ == "__main__":
    parser.add_argument("--model_dir", required=True, help="a workspace, or the folder of a model")
    arguments, _ = parser.parse_known_args()
    predictor = Predictor(arguments.model_name, load(arguments.model_dir))
    kserve.ModelServer().start([predictor])
