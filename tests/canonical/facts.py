"""What a workspace holds, as flat facts: files, outputs with `--json`, and what its models draw."""

import gzip
import hashlib
import io
import json
import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import yaml
from PIL import Image

import iadb
from tests.canonical.workspaces import Place

SEEDS = range(4)
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^ ]*")
# Keys of values that differ from run to run, or with the code or the rounding of the machine.
PASSING = {"seconds", "weights", "source_hash", "log", "evaluated"}
# Keys of sentences: that there is one is a fact, its wording is none.
SENTENCES = {"message", "reason", "sentence", "summary", "unavailable", "features_warning", "text"}
COUNTED = {"reasons", "warnings", "left_out", "runs"}  # lists whose length is the fact
NUMBERED = {"number", "model", "models", "parent", "teacher", "student", "teacher_model"}
HEAD = 8  # of a list of numbers, as many are kept


class Facts:
    """Collects facts by dotted keys, and arrays of pixels.

    Attributes:
        values: text, numbers, true, false and null.
        arrays: gray levels, of pixels or of numbers in [-1, 1] on their scale.
    """

    def __init__(self, place: Place) -> None:
        self.values: dict[str, Any] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self._place = place
        self._models: dict[int, str] = {}

    def number_models(self, models: list[Mapping[str, Any]]) -> None:
        """Models are called by their order, since their ids count all artifacts before them."""
        self._models = {m["number"]: f"model {i + 1}" for i, m in enumerate(models)}

    def add(self, key: str, value: Any) -> None:
        """Adds a fact, or those of all that is in JSON."""
        last = key.rpartition(".")[2]
        if last in PASSING and value is not None:
            value = "(any)"
        elif last in COUNTED and isinstance(value, list):
            value = len(value)
        elif last in SENTENCES and isinstance(value, str):
            value = "(text)"
        elif last == "examples" and isinstance(value, int):
            value = "(id)"
        if isinstance(value, Mapping):
            for name, each in value.items():
                self.add(f"{key}.{self._plain(str(name), name)}", each)
        elif isinstance(value, list) and any(isinstance(each, float | dict) for each in value):
            for index, each in enumerate(value[:HEAD] if isinstance(value[0], float) else value):
                self.add(f"{key}.{index}", each)
        elif isinstance(value, list):
            self.values[key] = ", ".join(str(self._plain(last, each)) for each in value)
        else:
            self.values[key] = self._plain(last, value)

    def _plain(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            value = value.replace(str(self._place.folder), "(folder)")
            value = TIME.sub("(time)", value)
            return re.sub(r"(/(?:artifacts/\w+/\w+|reports|serving)/|Model )\d+", r"\1(id)", value)
        if isinstance(value, int) and not isinstance(value, bool):
            if name in NUMBERED and value in self._models:
                return self._models[value]
            if value > 10**9:
                return "(version)"
        return value


def collect(place: Place) -> Facts:
    """Reads all that is recorded of a workspace."""
    facts = Facts(place)
    facts.add("exit codes", place.codes)
    for name, nodes in place.nodes.items():
        facts.add(f"nodes of {name}", nodes)
    models = json.loads(place.iadb("models", "--json").out)
    facts.number_models(models)
    facts.add("models", models)
    facts.add("history", json.loads(place.iadb("history", "--json").out))
    facts.add("spans", json.loads(place.iadb("spans", "--config", "config.yaml", "--json").out))
    for number, file in enumerate(sorted(place.workspace.glob("results/*.json")), 1):
        facts.add(f"result {number}", json.loads(file.read_text()))
    for line in _lines(place.workspace / "metrics.prom"):
        name, value = line.rsplit(" ", 1)
        if "timestamp" not in name:
            facts.add("prometheus." + re.sub(',?workspace=".*?"', "", name), float(value))
    artifacts = place.workspace / "artifacts"
    for number, folder in enumerate(_versions(artifacts / "ImageExampleGen" / "examples"), 1):
        for split in sorted(folder.glob("Split-*")):
            key = f"examples {number}.{split.name[6:]}"
            _add_examples(facts, key, _records(split), str(place.folder).encode())
        for file in sorted(folder.rglob("rejected.json")):
            part = "" if file.parent == folder else f".{file.parent.name}"
            report = json.loads(file.read_text())
            report["rejected_files"] = dict(report["rejected_files"])
            facts.add(f"rejected {number}{part}", report)
    for gate in ("DataGate", "DriftGate"):
        for number, folder in enumerate(_versions(artifacts / gate / "verdict"), 1):
            facts.add(f"{gate} {number}", json.loads((folder / "verdict.json").read_text()))
    for node in ("SampleEvaluator", "StudentEvaluator"):
        for number, folder in enumerate(_versions(artifacts / node / "evaluation"), 1):
            facts.add(f"{node} {number}", json.loads((folder / "metrics.json").read_text()))
    for file in place.folder.glob("*/metrics.json"):
        facts.add(file.parent.name, json.loads(file.read_text()))
    _add_models(facts, place)
    _add_commands(facts, place)
    return facts


def _versions(folder: Path) -> list[Path]:
    """The folders whose names are numbers, in their order."""
    found = (each for each in folder.glob("*") if each.name.isdecimal())
    return sorted(found, key=lambda each: int(each.name))


def _files(folder: Path) -> dict[str, str]:
    """The files in a folder."""
    files = (each for each in folder.rglob("*") if each.is_file())
    return dict.fromkeys(sorted(str(file.relative_to(folder)) for file in files), "file")


def _lines(file: Path) -> list[str]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [line for line in lines if not line.startswith("#")]


def _records(split: Path) -> Iterator[bytes]:
    """The TFRecords of all shards in order."""
    for file in sorted(split.iterdir()):
        with gzip.open(file) as shard:
            while head := shard.read(12):
                yield shard.read(struct.unpack("<Q", head[:8])[0])
                shard.read(4)


def _add_examples(facts: Facts, key: str, records: Iterable[bytes], here: bytes) -> None:
    """Adds digests: of the records, of each feature in order, and of the pixels of its images.

    Paths of unpaired sources begin with their folder, which is `here` in this run.
    """
    whole, digests, sums, counts = hashlib.sha256(), {}, Counter(), Counter()
    placed = False
    for record in records:
        whole.update(record)
        placed |= here in record
        counts["records"] += 1
        example = tf.train.Example.FromString(record)
        for name, feature in example.features.feature.items():
            kind = feature.WhichOneof("kind")
            values = getattr(feature, kind).value if kind else []
            counts[f"{name} ({kind})"] += len(values)
            if kind == "float_list":
                sums[name] += sum(values)
                continue
            text = repr(list(values)).encode().replace(here, b"(folder)")
            digests.setdefault(name, hashlib.sha256()).update(text)
            if name in ("image", "source"):
                for value in values:
                    pixels = f"pixels of {name}"
                    digests.setdefault(pixels, hashlib.sha256()).update(_pixels(value).tobytes())
    facts.add(f"{key}.count", dict(sorted(counts.items())))
    facts.add(f"{key}.sum", dict(sorted(sums.items())))
    digests = {name: digest.hexdigest()[:16] for name, digest in sorted(digests.items())}
    facts.add(
        f"{key}.sha256", {"records": "(any)" if placed else whole.hexdigest()[:16], **digests}
    )


def _pixels(file: bytes | Path) -> np.ndarray:
    with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
        return np.asarray(image)


def _add_models(facts: Facts, place: Place) -> None:
    """Adds what is pushed: files, metadata, signatures, and what they draw."""
    for number, folder in enumerate(_versions(place.workspace / "serving"), 1):
        key = f"version {number}"
        facts.add(f"{key}.files", _files(folder))
        metadata = json.loads((folder / "assets.extra" / "iadb.json").read_text())
        facts.add(f"{key}.iadb", {**metadata, "config": sorted(metadata["config"])})
        if (metadata.get("source") or {}).get("paired") is False:
            facts.add(f"{key}.iadb.data_fingerprint", "(any)")  # of paths of this run, see above
        if "rollback_of" in metadata:
            continue  # it draws what the original draws
        model = tf.saved_model.load(str(folder))
        for name, function in sorted(model.signatures.items()):
            taken, given = function.structured_input_signature[1], function.structured_outputs
            for way, specs in (("takes", taken), ("gives", given)):
                for each, spec in sorted(specs.items()):
                    facts.add(f"{key}.{name}.{way}.{each}", f"{spec.dtype.name} {spec.shape}")
            results = function(**{each: _input(spec, metadata) for each, spec in taken.items()})
            for each, result in results.items():
                rows = _gray_levels(result.numpy())
                kept = 1 if name == "trajectory" else 2 if result.dtype == tf.float32 else None
                facts.arrays[f"{key}.{name}.{each}"] = rows[:kept]
        light = iadb.load(folder)
        if not metadata.get("source"):
            facts.arrays[f"{key}.light"] = light.sample(len(SEEDS))


def _input(spec: tf.TensorSpec, metadata: Mapping[str, Any]) -> tf.Tensor:
    """The same four rows for every model, by the name of an input."""
    rng = np.random.RandomState(0)
    shape = [len(SEEDS), *spec.shape[1:]]
    labels = metadata.get("labels", [])
    height, width, channels = metadata["shape"]
    pixels = rng.randint(0, 256, (len(SEEDS), height, width, channels)).astype(np.uint8)
    value = {
        "seed": lambda: list(SEEDS),
        "nb_step": lambda: metadata["nb_step"],
        "label": lambda: ["", *labels[:3]],
        "alpha": lambda: [0.1, 0.4, 0.6, 0.9],
        "x0": lambda: rng.standard_normal(shape),
        "x_alpha": lambda: rng.standard_normal(shape),
        "image": lambda: pixels,
        "source": lambda: pixels,
        "image_bytes": lambda: [_png(each) for each in pixels],
    }[spec.name]()
    return tf.constant(value, spec.dtype)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "PNG")
    return file.getvalue()


def _gray_levels(result: np.ndarray) -> np.ndarray:
    if result.dtype == object:  # files
        return np.stack([_pixels(file) for file in result])
    if result.dtype == np.uint8:
        return result
    return np.round(result * 127.5).astype(np.int16)


def _add_commands(facts: Facts, place: Place) -> None:
    """Adds what commands draw with the live model, and a folder for the hub."""
    grid = place.folder / "grid.png"
    facts.add("sample", place.iadb("sample", "--count", len(SEEDS), "-o", grid).code)
    facts.arrays["sample"] = _pixels(grid)
    sources = sorted((place.folder / "sources").rglob("*.bmp"))[: len(SEEDS)]
    if sources:
        out = place.folder / "translated"
        facts.add("translate", place.iadb("translate", *sources, "-o", out).code)
        facts.arrays["translate"] = np.stack([_pixels(file) for file in sorted(out.iterdir())])
    hub = place.folder / "hub"
    if hub.exists():
        card = (hub / "README.md").read_text("utf-8").split("---")[1]
        facts.add("hub.card", yaml.safe_load(card))
        facts.add("hub.files", _files(hub))
