"""What TFX's Trainer calls: `trainer.run_fn.run_fn`. The only module here that knows TFX."""

import hashlib
import importlib.metadata
import json
from typing import Any

import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer import dataset
from trainer.fit.warm_start import save_weights
from trainer.fit.workers import choose_strategy, is_chief
from trainer.options import ModelOptions, SampleOptions, TrainOptions
from trainer.sampler import Sampler
from trainer.train import train

DECIDE_NOTHING = {"checkpoint", "log_every", "grid_every"}  # keys of `train`


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the train split and exports the sampler and the network's weights.

    Of several workers (trainer/fit/workers.py), the chief alone exports.

    Args:
        fn_args: as TFX fills them. `custom_config` holds the sections `model`, `train` and `sample`
            as dictionaries, `resolution` and `channels` of the images, `split` (what decides which
            images are held out, by keys of the configuration), `checkpoints` (a folder that
            outlives a failed run, since TFX deletes what that run wrote) and `source_hash`.
            `base_model` is the sampler of the model that a warm start is to start from.

    Raises:
        ValueError: as `choose_strategy` and `train` do.
        TooFewClassesError: the model is to be conditional, and the images are not labeled.
    """
    strategy = choose_strategy()  # before the graph of Transform starts TensorFlow's devices
    config = fn_args.custom_config
    model_options = ModelOptions.model_validate(config["model"])
    sample = SampleOptions.model_validate(config["sample"])
    labels = dataset.load_labels(fn_args.transform_graph_path) if model_options.conditional else []
    shape = (config["resolution"], config["resolution"], config["channels"])
    files = sorted(path for pattern in fn_args.train_files for path in tf.io.gfile.glob(pattern))
    key = state_key(config, fn_args.train_files, fn_args.base_model)
    state = f"{config['checkpoints']}/{key}"
    trained = train(
        files,
        dataset.load_preprocessor(fn_args.transform_graph_path),
        strategy,
        model_options=model_options,
        train_options=TrainOptions.model_validate(config["train"]),
        sample_options=sample,
        resolution=config["resolution"],
        channels=config["channels"],
        checkpoints_folder=state,
        log_folder=f"{state}/logs",
        labels=labels,
        base_model=fn_args.base_model,
        split=config["split"],
    )
    if not is_chief(strategy):
        return
    metadata = {
        "nb_step": sample.nb_step,
        "solver": sample.solver,
        "grid": sample.grid,
        "shape": shape,
        "config": {section: config[section] for section in ("model", "train", "sample")},
        "split": config["split"],
        "metrics": trained.metrics,
        "warm_started_from": trained.warm_started_from,
        "data_fingerprint": dataset.fingerprint(files),
        "source_hash": config["source_hash"],
        "version": importlib.metadata.version("iadb-tfx"),
    }
    sampler = Sampler(
        trained.model.sampling_network,
        shape,
        trained.model.solver,
        sample.nb_step,
        labels,
        sample.guidance,
    )
    sampler.save(fn_args.serving_model_dir, metadata)
    save_weights(trained.model, fn_args.serving_model_dir)
    _copy(f"{state}/logs", fn_args.model_run_dir)


def state_key(config: dict[str, Any], train_files: list[str], base_model: str | None) -> str:
    """Names the checkpoints after what decides their content: configuration, code, examples, base.

    How often something is written or shown decides nothing, nor does how samples are drawn.
    """
    train_options = {k: v for k, v in config["train"].items() if k not in DECIDE_NOTHING}
    parts = [config[key] for key in ("model", "resolution", "channels", "source_hash")]
    text = json.dumps([train_options, parts, train_files, base_model], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _copy(source: str, target: str) -> None:
    for folder, _, names in tf.io.gfile.walk(source):
        for name in names:
            relative = f"{folder}/{name}"[len(source) :].lstrip("/")
            path = f"{target}/{relative}"
            tf.io.gfile.makedirs(path.rpartition("/")[0])
            tf.io.gfile.copy(f"{folder}/{name}", path, overwrite=True)
