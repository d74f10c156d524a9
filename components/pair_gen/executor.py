"""The TFX executor of PairGen: a model in, examples with seeds out."""

import hashlib
import json
import os
from typing import Any

from tfx import types
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.beam_executor import BeamExecutor
from components.pair_gen import names
from components.pair_gen.options import PairOptions
from components.pair_gen.pairs import chunks_of, draw_pairs
from components.pair_gen.path import TeacherPath
from trainer import examples
from trainer.fit.folder_lock import folder_locked
from trainer.names import METADATA
from trainer.records import fingerprint

SPLITS = (examples.TRAIN, examples.EVAL)


class Executor(BeamExecutor):
    """Executor of PairGen."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Draws the pairs that no earlier run has drawn, and publishes all.

        Raises:
            FolderInUseError: another process draws the same pairs.
            SamplerError: the model cannot be sampled.
        """
        options = PairOptions.model_validate_json(exec_properties[names.OPTIONS])
        model = artifact_utils.get_single_instance(input_dict[names.MODEL])
        is_old = path_utils.is_old_model_artifact(model)
        sampler = path_utils.serving_model_path(model.uri, is_old)
        images = artifact_utils.get_split_uris(input_dict[names.EXAMPLES], examples.TRAIN)
        # TFX deletes what a failed run wrote, and runs this again for each verdict on the model,
        # which does not change the pairs. So they are in a folder of their own, and found again.
        code = exec_properties["source_hash"]
        teacher = TeacherPath(sampler, options.segments)  # kept, or workers would load it again
        labeled = images if teacher.labels else []
        # Of content and not of paths: these have numbers that come again if the metadata store is
        # restored from a backup.
        files = [path for uri in labeled for path in sorted(fileio.glob(f"{uri}/*"))]
        read = [fingerprint([f"{sampler}/{METADATA}"]), fingerprint(files)]
        drawn_from = [read, options.unlabeled, options.segments, code]
        key = hashlib.sha256(json.dumps(drawn_from).encode()).hexdigest()[:16]
        folder = f"{options.folder}/{names.PAIRS}-{key}"
        with folder_locked(folder, "draws the same pairs"):
            drawn = draw_pairs(self._make_beam_pipeline(), sampler, options, folder, labeled)
        del teacher
        pairs = artifact_utils.get_single_instance(output_dict[names.PAIRS])
        pairs.split_names = artifact_utils.encode_split_names(list(SPLITS))
        for split in SPLITS:
            fileio.makedirs(artifact_utils.get_split_uri([pairs], split))
        for chunk in chunks_of(options.pairs):
            published = artifact_utils.get_split_uri([pairs], chunk.split)
            _share(f"{folder}/{chunk.file}", f"{published}/{chunk.file}")
        pairs.set_int_custom_property(names.PAIRS, options.pairs)
        pairs.set_int_custom_property(names.DRAWN, drawn)


def _share(source: str, target: str) -> None:
    """Links a file to a second name, or copies it where there are no links."""
    if fileio.exists(target):
        fileio.remove(target)
    try:
        os.link(source, target)
    except OSError:
        fileio.copy(source, target)
