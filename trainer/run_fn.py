"""The function that TFX's Trainer calls, without importing TFX: workers start sooner."""

import hashlib
import importlib.metadata
import json
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from trainer import dataset, examples, records
from trainer.build import sampling_of
from trainer.common.progress import phase
from trainer.common.resolution import to_sides
from trainer.common.text import first_line
from trainer.fit.folder_lock import folder_locked
from trainer.fit.precision import resolve_precision
from trainer.fit.stored_weights import by_conversion, save_weights
from trainer.fit.workers import choose_strategy, is_chief
from trainer.iadb import IADBModel
from trainer.light.network_file import belongs_beside
from trainer.names import METADATA, STUDENT_KEY, TEACHER
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions
from trainer.serving import onnx_network
from trainer.serving.exported_network import in_float32
from trainer.serving.sampler import Sampler
from trainer.source.options import Source
from trainer.train import Trained, train

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

_log = logging.getLogger(__name__)

WITHOUT_EFFECT = {"checkpoint", "log_every", "grid_every"}  # keys of `train`, on the weights
TRAINS = "trains the same model on the same images"


def run_fn(fn_args: "FnArgs") -> None:
    """Trains on the train split and exports the sampler and the network's weights.

    With several workers (trainer/fit/workers.py), only the chief exports.

    Args:
        fn_args: as TFX fills them. `custom_config` holds the sections `model`, `train` and `sample`
            as dictionaries, `source` (Source) where images have sources, `resolution` and
            `channels` of the images, `conversion` (how files became these: `fit`, `background`),
            `split` (the configuration keys that determine which images are held out), `license` of
            the images if one is stated, `checkpoints` (a folder that survives a failed run, whose
            outputs TFX deletes), `latest_samples` (a PNG, rewritten as the training goes on) and
            `source_hash`.
            With `student`, `base_model` is the sampler of the teacher; otherwise it is that of the
            model that a warm start begins from.

    Raises:
        ValueError: as `choose_strategy` and `train` do.
        TooFewClassesError: the model is conditional, but the images have fewer than 2 labels.
        MisfitError: the weights of the teacher cannot be read, or are of another network.
        FolderInUseError: another process trains the same model on the same images.
        DamagedExamplesError: a file of examples is damaged.
    """
    strategy = choose_strategy()  # before Transform's graph initializes TensorFlow's devices
    train_options, remark = resolve_precision(
        TrainOptions.model_validate(fn_args.custom_config["train"]), strategy
    )
    if remark and is_chief(strategy):
        print(f"  {remark}", flush=True)
    config = _with_precision(fn_args.custom_config, train_options.precision)
    model_options = ModelOptions.model_validate(config["model"])
    sample = SampleOptions.model_validate(config["sample"])
    is_student = config.get(STUDENT_KEY, False)
    data = _training_data(fn_args, config, model_options.conditional)
    files = [*data.files, *data.sources]
    with phase("reading the examples"):
        read = records.fingerprint(files)
    base = fn_args.base_model
    about_base = f"{base}/{METADATA}"
    of_base = records.fingerprint([about_base] if base and tf.io.gfile.exists(about_base) else [])
    key = state_key(config, read, of_base)
    state = f"{config['checkpoints']}/{key}"
    with (
        folder_locked(state, TRAINS) if is_chief(strategy) else nullcontext(),
        records.naming_damaged(
            [*files, *data.held_out, *data.held_out_sources],
            made_by="`iadb run`",
        ),
    ):
        trained = train(
            data,
            strategy,
            model_options=model_options,
            train_options=train_options,
            sample_options=sample,
            checkpoints_folder=state,
            log_folder=f"{state}/logs",
            latest_samples=config["latest_samples"],
            base_model=base,
            is_student=is_student,
        )
    if not is_chief(strategy):
        return
    metadata = _metadata(trained, config, sample, data, read)
    if is_student:
        metadata[TEACHER] = base
    _export(trained.model, data, sample, metadata, fn_args.serving_model_dir, is_student)
    _copy(f"{state}/logs", fn_args.model_run_dir)


def state_key(config: dict[str, Any], examples: str, base_model: str) -> str:
    """Hashes what the checkpoints depend on: configuration, code, examples and base model.

    They do not depend on how often something is logged or saved, nor on how samples are drawn.

    Args:
        config: the `custom_config` of run_fn.
        examples: the fingerprint of those that are trained on. Not their path, which has a number
            that comes again if the metadata store is restored from a backup.
        base_model: the fingerprint of its metadata, which differ for each training.
    """
    train_options = {k: v for k, v in config["train"].items() if k not in WITHOUT_EFFECT}
    parts = [config[key] for key in ("model", "resolution", "channels", "source_hash")]
    parts += [config[key] for key in ("source", STUDENT_KEY) if config.get(key)]
    if base_model and not config.get(STUDENT_KEY):  # which was chosen for how the images are split
        parts += [config["split"], config["conversion"]]
    text = json.dumps([train_options, parts, examples, base_model], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _with_precision(config: dict[str, Any], precision: str) -> dict[str, Any]:
    """The configuration with the precision that the model is trained in, in place of `auto`."""
    return config | {"train": config["train"] | {"precision": precision}}


def _training_data(
    fn_args: "FnArgs", config: dict[str, Any], conditional: bool
) -> dataset.TrainingData:
    graph = fn_args.transform_graph_path
    source = Source.model_validate(config["source"]) if config.get("source") else None
    files = {"files": fn_args.train_files, "held_out": fn_args.eval_files}
    if source is not None and not source.paired:
        files |= {
            "sources": _other_split(fn_args.train_files, examples.SOURCE_TRAIN),
            "held_out_sources": _other_split(fn_args.eval_files, examples.SOURCE_EVAL),
        }
    return dataset.TrainingData(
        **{name: _find(patterns) for name, patterns in files.items()},
        preprocess=records.load_preprocessor(graph),
        shape=(*to_sides(config["resolution"]), config["channels"]),
        labels=dataset.load_labels(graph) if conditional else [],
        split=config["split"] | by_conversion(config["conversion"]),
        source=source,
    )


def _metadata(
    trained: Trained,
    config: dict[str, Any],
    sample: SampleOptions,
    data: dataset.TrainingData,
    fingerprint: str,
) -> dict[str, Any]:
    """What is written beside the model; the caller adds the teacher of a student."""
    license_of_images = config.get("license")
    return {
        "nb_step": sample.nb_step,
        "solver": sample.solver,
        "grid": sample.grid,
        "shape": data.shape,
        "config": {section: config[section] for section in ("model", "train", "sample")},
        "conversion": config["conversion"],
        "split": config["split"],
        "metrics": trained.metrics,
        "warm_started_from": trained.warm_started_from,
        "data_fingerprint": fingerprint,
        "source_hash": config["source_hash"],
        "version": importlib.metadata.version("iadb-tfx"),
        **({"license": license_of_images} if license_of_images else {}),
        **({"source": data.source.model_dump()} if data.source else {}),
    }


def _export(
    model: IADBModel,
    data: dataset.TrainingData,
    sample: SampleOptions,
    metadata: dict[str, Any],
    folder: str,
    is_student: bool,
) -> None:
    """Writes the sampler, the weights and, if it is small, the network as ONNX."""
    guided = model.guide is not None and sample.autoguidance != 1.0
    exported = Sampler(
        in_float32(model.sampling_network),
        data.shape,
        sampling_of(sample),
        data.labels,
        sample.limits,
        data.source,
        in_float32(model.guide.network) if guided else None,
        fixed_steps=is_student,
    )
    with phase("writing the sampler"):
        exported.save(folder, metadata)
        save_weights(model, folder)
    weights = model.network.count_params() * (2 if guided else 1)
    if belongs_beside(weights, data.source is not None) and onnx_network.can_convert():
        _write_network(exported, folder)


def _write_network(exported: Sampler, folder: str) -> None:
    with phase("converting the network to ONNX"):
        try:
            onnx_network.write_network(exported.evaluate, folder)
        except Exception as error:  # of a library; the model is complete without the network
            _log.warning("the network is not beside the model as ONNX: %s", first_line(error))


def _find(patterns: list[str]) -> list[str]:
    return sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))


def _other_split(patterns: list[str], split: str) -> list[str]:
    """The patterns of the files of another split of the same artifacts.

    TFX passes on those of one split for training and of one for evaluation alone.
    """
    return [f"{pattern.rsplit('/', 2)[0]}/Split-{split}/*" for pattern in patterns]


def _copy(source: str, target: str) -> None:
    for folder, _, names in tf.io.gfile.walk(source):
        for name in names:
            relative = f"{folder}/{name}"[len(source) :].lstrip("/")
            path = f"{target}/{relative}"
            tf.io.gfile.makedirs(path.rpartition("/")[0])
            tf.io.gfile.copy(f"{folder}/{name}", path, overwrite=True)
