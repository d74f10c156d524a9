"""The folders of images that an evaluation compares: converted to examples, counted, described."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam

from components.image_example_gen import names as example_names
from components.image_example_gen import report as image_reports
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.executor import write_examples
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reasons import SAME_PIXELS
from components.image_example_gen.source_decode import of_any_size
from components.image_example_gen.spans import ImageSource
from components.image_example_gen.table.known import count_copies
from components.progress import DECODED
from components.sample_evaluator import sources
from components.sample_evaluator.options import EvaluateOptions
from pipeline.evaluation.division import Division
from pipeline.evaluation.inputs import Inputs, check_count
from trainer import examples
from trainer.common.progress import phase
from trainer.common.text import quantity

BY_OPTION = "with --source"
IMAGES_JSON = "images.json"  # which files of each folder were accepted and rejected
REAL, TRAINING, SOURCES = "real", "training", "sources"  # sets, beside stored images to be judged

# In a report: how many training images have the pixels of a real one, and the other way round.
ALSO_REAL, ALSO_TRAINING = "also_real", "also_training"

MIN_NEW = 10  # compared images that are in no training, from which copies can be told

Reports = Mapping[str, Mapping[str, Any]]  # of write_examples, by set


class ImageSet(NamedTuple):
    """Images that are converted together.

    Attributes:
        folder: that they are in.
        splits: that they go to.
    """

    folder: Path
    splits: list[str]


@dataclass(frozen=True)
class ComparedImages:
    """The images of an evaluation.

    Attributes:
        inputs: the folders.
        division: of the real images, where no training images are named.
        paired: whether each real image has a source of its own, if there are sources.
    """

    inputs: Inputs
    division: Division | None
    paired: bool

    def sets(self) -> dict[str, ImageSet]:
        """The sets by name."""
        real, training = self.inputs.real, self.inputs.training
        if training:
            found = {
                REAL: ImageSet(real, [examples.EVAL]),
                TRAINING: ImageSet(training, [examples.TRAIN]),
            }
        else:
            found = {REAL: ImageSet(real, [examples.TRAIN, examples.EVAL])}
        found |= {name: ImageSet(folder, [name]) for name, folder in self.stored().items()}
        if self.inputs.sources and not self.paired:
            found[SOURCES] = ImageSet(self.inputs.sources, [examples.SOURCE_EVAL])
        return found

    def stored(self) -> dict[str, Path]:
        """The folders of images that are judged in place of a model's samples."""
        judged = self.inputs.judged().items()
        return {name: each.folder for name, each in judged if not each.is_model}

    def convert(
        self, make_pipeline: Callable[[], beam.Pipeline], options: ImageOptions, folder: Path
    ) -> Reports:
        """Writes examples of each split to a folder of its name, and reports beside them.

        Raises:
            ImageDataError: a set has no images, too many rejected files or an empty split, or
                sources have no images of their own.
        """
        reports = {}
        for name, (images, splits) in self.sets().items():
            output = folder / "reports" / name
            source = ImageSource(
                str(images),
                split=splits[0] if len(splits) == 1 else None,
                sources=str(self._beside() or "") if name == REAL else "",
            )
            with phase(DECODED), self._naming_train(name, output):
                reports[name] = write_examples(
                    make_pipeline(),
                    source,
                    of_any_size(options) if name == SOURCES else options,
                    str(output),
                    {split: str(folder / split) for split in splits},
                    self.division.salt if self.division else "",
                )
        if beside := self._beside():
            same = reports[REAL]["notes"].get(SAME_PIXELS, 0)
            image_reports.check_copies(same, reports[REAL], str(beside), BY_OPTION)
        elif self.inputs.sources:
            copies = count_copies(*(str(folder / "reports" / name) for name in (REAL, SOURCES)))
            image_reports.check_copies(
                copies, reports[SOURCES], str(self.inputs.sources), BY_OPTION
            )
        if TRAINING in reports:
            real, training = (str(folder / "reports" / name) for name in (REAL, TRAINING))
            reports[TRAINING][ALSO_REAL] = count_copies(real, training)
            reports[REAL][ALSO_TRAINING] = count_copies(training, real)
        return reports

    def check_counts(self, reports: Reports, options: EvaluateOptions) -> None:
        """Raises an ImageDataError if a split has fewer images than a verdict needs.

        Some of the real images that are compared must not be training images: those alone show how
        near new images come to these.

        Args:
            reports: on the images.
            options: of the evaluation.
        """
        counts, least = counts_by_split(reports), options.min_samples
        for name, folder in self.stored().items():
            check_count(folder, counts[name], least)
        if examples.SOURCE_EVAL in counts:
            check_count(self.inputs.sources, counts[examples.SOURCE_EVAL], least)
        part = ""
        if self.division:
            held_out = " that the training held out"
            part = held_out if self.division.by_training else " in the half to compare with"
        check_count(self.inputs.real, counts[examples.EVAL], least, part)
        others = "" if self.inputs.training else " in the other part"
        check_count(self.inputs.training or self.inputs.real, counts[examples.TRAIN], least, others)
        count, shared = counts[examples.EVAL], reports[REAL].get(ALSO_TRAINING, 0)
        compared = min(count, options.samples)
        if shared and (count - shared) * compared < MIN_NEW * count:
            raise ImageDataError(
                f"{self.inputs.real}: {shared:,} of {quantity(count, 'image')} are also in "
                f"{self.inputs.training}, so that fewer than {MIN_NEW} of {compared:,} that are "
                "compared would be new; leave --train out to take a part of --real in its place, "
                "or name other images"
            )

    def locations(self) -> dict[str, str]:
        """Where held-out and training images are, for the report."""
        real = str(self.inputs.real)
        if self.division is None:
            found = real, str(self.inputs.training)
        elif self.division.by_training:
            held_out = f"those of {real} that the training held out, if it read this folder"
            found = held_out, f"the others of {real}"
        else:
            found = (f"half of {real}, by hash",) * 2
        return dict(zip(("held-out images", "training"), found, strict=True))

    def describe(self, reports: Reports, options: EvaluateOptions) -> Iterator[str]:
        """What was compared, one line per set, and which files were rejected."""
        sets, count, first = self.sets(), options.samples, options.seed
        real = reports[REAL]["splits"]
        for name, (folder, is_model) in self.inputs.judged().items():
            before = "the baseline: " if name == sources.BASELINE else ""
            if is_model:
                yield f"{before}{count:,} samples of {folder}, seeds {first} to {first + count - 1}"
            else:
                of = quantity(reports[name]["splits"][name], "image")
                yield f"{before}{count:,} of {of} in {folder}, chosen by hash"
        of = quantity(sum(real.values()), "image")
        yield f"compared with {count:,} of {of} in {sets[REAL].folder}"
        role = "the floor and the reference for memorization"
        if TRAINING in reports:
            training = reports[TRAINING]["splits"][examples.TRAIN]
            yield f"{quantity(training, 'image')} in {sets[TRAINING].folder}: {role}"
        else:
            yield f"the other {real[examples.TRAIN]:,}, split by hash: {role}"
        if copies := reports.get(TRAINING, {}).get(ALSO_REAL):
            yield (
                f"warning: {quantity(copies, 'image')} in {sets[TRAINING].folder} are also in "
                f"{sets[REAL].folder}: a model that was trained on them seems better than it is"
            )
        groups = reports[REAL].get(image_reports.NEAR_DUPLICATES, {}).get(image_reports.GROUPS)
        if groups and self.division and self.division.by_training:
            yield (
                f"warning: {groups:,} groups of near-duplicates were made anew; where the training "
                "read spans, or a folder that has grown since, it made others, and may have been "
                "trained on images that are compared"
            )
        for name, report in reports.items():
            folder = sets[name].folder
            for remark in image_reports.remarks(report):
                yield f"{folder}: {remark}"
            if report["rejected"]:
                (path, reason), *more = report["rejected_files"]
                rest = f" and {len(more)} more" if more else ""
                yield (
                    f"{report['rejected']:,} of {report['files']:,} files in {folder} "
                    f"rejected: {path!r} ({reason}){rest}; all in {IMAGES_JSON}"
                )

    def _beside(self) -> Path | None:
        """The folder with a source for each real image."""
        return self.inputs.sources if self.paired else None

    @contextlib.contextmanager
    def _naming_train(self, name: str, report: Path) -> Iterator[None]:
        """Adds a way out to the error that no image, or every image, was held out by a training.

        Args:
            name: of the set that is converted in the block.
            report: folder of its report.
        """
        try:
            yield
        except ImageDataError as error:
            file = report / example_names.REJECTED_JSON
            by_training = name == REAL and self.division and self.division.by_training
            if not by_training or not file.exists():
                raise
            found = json.loads(file.read_text("utf-8"))["splits"].values()
            if all(found) or not any(found):
                raise
            raise ImageDataError(
                f"{error}; or name the images that the model was trained on with --train, and "
                "others with --real"
            ) from error


def counts_by_split(reports: Reports) -> dict[str, int]:
    """The number of images of each split."""
    return {split: n for report in reports.values() for split, n in report["splits"].items()}
