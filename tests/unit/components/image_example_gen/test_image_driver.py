import os
import shutil
from pathlib import Path

import pytest
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.types import standard_artifacts

from components.image_example_gen import names, spans
from components.image_example_gen.component import ImageExampleGen
from components.image_example_gen.driver import Driver
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.executor import Executor
from components.image_example_gen.options import ImageOptions, WindowOptions
from components.image_example_gen.pattern import LATEST
from components.image_example_gen.windows import parse_window
from pipeline.config.sections import BeamConfig


def resolve(folder, pattern="", span=None, holdout=None, unpaired=None, **window):
    """Returns the execution properties of the component as the driver resolves them."""
    asked = LATEST if span is None else str(span)
    options = WindowOptions(pattern=pattern, **window)
    component = ImageExampleGen(
        str(folder), ImageOptions(), options, asked, holdout, unpaired_source=unpaired
    )
    return Driver(None).resolve_exec_properties(component.exec_properties, None, None)


def found(folder, pattern, span=None, **window):
    """Returns the folders of the window, and its newest span."""
    properties = resolve(folder, pattern, span, **window)
    folders = [span.folder for span in parse_window(properties["window"])]
    return folders, properties["span"]


@pytest.fixture
def make_images(tmp_path, noise):
    def make(*paths):
        for path in paths:
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            noise(0).save(target)
        return tmp_path

    return make


def test_without_a_pattern_the_folder_itself_is_read(make_images):
    folder = make_images("cats/1.png", "2.png")
    assert found(folder, "") == ([""], 0)


def test_a_pattern_may_name_a_folder_below(make_images):
    folder = make_images("train/cats/1.png", "other/2.png")
    assert found(folder, "train") == (["train"], 0)


def test_the_latest_span_is_the_highest_number(make_images):
    folder = make_images("span-2/cats/deep/1.png", "span-10/cats/1.png", "span-9/1.png")
    assert found(folder, "span-{SPAN}") == (["span-10"], 10)


def test_the_requested_span_is_read(make_images):
    folder = make_images("span-1/1.png", "span-2/1.png")
    assert found(folder, "span-{SPAN}", span=1) == (["span-1"], 1)


def test_dates_count_as_days_since_1970(make_images):
    folder = make_images("2024/12/31/a/x.png", "2025/01/02/x.png", "2025/01/01/x.png")
    assert found(folder, "{YYYY}/{MM}/{DD}") == (["2025/01/02"], 20090)
    assert found(folder, "{YYYY}/{MM}/{DD}", span=20088) == (["2024/12/31"], 20088)


def test_a_window_ends_with_the_requested_span(make_images):
    folder = make_images("1/a.png", "2/a.png", "3/a.png", "4/a.png")
    assert found(folder, "{SPAN}", window=2) == (["3", "4"], 4)
    assert found(folder, "{SPAN}", span=3, window=2) == (["2", "3"], 3)
    assert found(folder, "{SPAN}", window=0) == (["1", "2", "3", "4"], 4)
    assert found(folder, "{SPAN}", window=2, exclude=(3,)) == (["2", "4"], 4)


def test_spans_are_found_below_a_folder_of_any_name(make_images):
    folder = make_images("my images [2020] (ž)/span-1/x.png") / "my images [2020] (ž)"
    assert found(folder, "span-{SPAN}") == (["span-1"], 1)


@pytest.mark.parametrize(
    ("pattern", "span", "message"),
    [
        ("day-{SPAN}", None, "no folder matches the pattern 'day-{SPAN}'"),
        ("span-{SPAN}", 7, "span 7 was requested but has no folder"),
        ("", 1, "the pattern '' has no {SPAN} and no date"),
        ("missing", None, "no such folder"),
    ],
)
def test_a_window_that_cannot_be_found_is_a_one_line_error(make_images, pattern, span, message):
    folder = make_images("span-1/1.png")
    with pytest.raises(ImageDataError) as error:
        resolve(folder, pattern, span)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("span", ["", "-1", "last", "1.5", "٣", "1" * 10, "1\n"])
def test_a_span_that_is_not_a_number_is_a_one_line_error(make_images, span):
    folder = make_images("1/1.png")
    with pytest.raises(ImageDataError, match="expected a number of at most 9 digits") as error:
        resolve(folder, "{SPAN}", span)
    assert "\n" not in str(error.value)


def test_without_a_folder_both_places_to_set_it_are_named():
    with pytest.raises(ImageDataError, match=r"set data\.folder .* parameter data_folder"):
        resolve("")


def test_a_span_without_images_is_an_error_and_no_older_span_replaces_it(make_images):
    folder = make_images("span-1/1.png")
    (folder / "span-2").mkdir()
    with pytest.raises(ImageDataError, match="span-2: no image files"):
        resolve(folder, "span-{SPAN}")


def test_the_fingerprint_follows_the_images_of_the_span_at_any_depth(make_images):
    folder = make_images("span-1/a/b/x.png", "span-0/y.png")
    before = resolve(folder, "span-{SPAN}")["input_fingerprint"]
    (folder / "span-0" / "y.png").write_bytes(b"other")
    assert resolve(folder, "span-{SPAN}")["input_fingerprint"] == before
    os.utime(folder / "span-1/a/b/x.png", ns=(1, 1))
    touched = resolve(folder, "span-{SPAN}")["input_fingerprint"]
    (folder / "span-1/a/b/x.png").write_bytes(b"longer")
    os.utime(folder / "span-1/a/b/x.png", ns=(1, 1))
    resized = resolve(folder, "span-{SPAN}")["input_fingerprint"]
    assert len({before, touched, resized}) == 3


def test_the_fingerprint_follows_late_files_in_an_older_span_of_the_window(make_images):
    folder = make_images("1/x.png", "2/x.png", "3/x.png")
    before = resolve(folder, "{SPAN}", window=2)["input_fingerprint"]
    make_images("1/late.png")
    assert resolve(folder, "{SPAN}", window=2)["input_fingerprint"] == before
    make_images("2/late.png")
    assert resolve(folder, "{SPAN}", window=2)["input_fingerprint"] != before


def test_the_fingerprint_follows_the_images_that_are_held_out(make_images):
    folder = make_images("data/x.png", "data/y.png", "out/z.png")
    seen = [resolve(folder / "data")["input_fingerprint"]]
    seen.append(resolve(folder / "data", holdout=f"{folder}/out")["input_fingerprint"])
    (folder / "data" / "y.png").rename(folder / "out" / "y.png")
    seen.append(resolve(folder / "data", holdout=f"{folder}/out")["input_fingerprint"])
    assert len(set(seen)) == 3
    with pytest.raises(ImageDataError, match="none: no such folder"):
        resolve(folder / "data", holdout=f"{folder}/none")


def test_the_fingerprint_follows_sources_without_pairs(make_images):
    folder = make_images("images/1/a.png", "images/2/a.png", "sources/b.png")

    def found():
        properties = resolve(f"{folder}/images", "{SPAN}", unpaired=f"{folder}/sources")
        return properties["input_fingerprint"]

    before = found()
    assert found() == before
    make_images("sources/new/c.png")
    assert found() != before


def test_the_examples_record_the_folder_that_they_are_from(make_images):
    folder = make_images("1.png")
    component = ImageExampleGen(str(folder), ImageOptions(), WindowOptions())
    node = ExecutionInfo(
        exec_properties=dict(component.exec_properties),
        output_dict={names.EXAMPLES: [standard_artifacts.Examples()]},
    )
    (examples,) = Driver(None).run(node).output_artifacts[names.EXAMPLES].artifacts
    assert examples.custom_properties[names.INPUT_BASE].string_value == str(folder)
    assert examples.custom_properties[names.SPAN].int_value == 0


def test_the_component_carries_options_and_source_hash():
    options = ImageOptions(resolution=32, eval_percent=25)
    window = WindowOptions(pattern="{SPAN}", window=7, exclude=(2,))
    component = ImageExampleGen("data", options, window, "3", source_hash="abc")
    properties = component.exec_properties
    assert ImageOptions.model_validate_json(properties["image_options"]) == options
    assert properties["source_hash"] == "abc"
    assert WindowOptions.model_validate_json(properties["window_options"]) == window
    assert properties["requested_span"] == "3"
    assert set(component.outputs) == {"examples"}


@pytest.fixture
def node(image_folder, tmp_path, request, noise):
    """Two functions: resolve, with a driver as TFX keeps it, and execute -> the bytes written."""
    options = ImageOptions(resolution=8, min_size=1, max_rejected=0.5)
    settings = {"source_hash": "code"}
    if getattr(request, "param", "") == "unpaired":
        settings["unpaired_source"] = str(tmp_path / "sources")
        shutil.copytree(image_folder, tmp_path / "sources")
        noise(98).save(tmp_path / "sources/cats/01.png")  # else all would be copies
    component = ImageExampleGen(str(image_folder), options, WindowOptions(), **settings)
    driver = Driver(None)

    def execute(number, properties):
        artifact = standard_artifacts.Examples()
        artifact.uri = str(tmp_path / "examples" / str(number))
        context = Executor.Context(beam_pipeline_args=BeamConfig().arguments("ImageExampleGen"))
        Executor(context).Do({}, {"examples": [artifact]}, properties)
        root = Path(artifact.uri)
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    def resolve():
        return driver.resolve_exec_properties(dict(component.exec_properties), None, None)

    return resolve, execute


@pytest.fixture
def listed(monkeypatch):
    """The folders that are listed, as the test runs."""
    folders = []
    list_folder = spans.list_folder

    def recorded(folder, **options):
        folders.append(folder)
        return list_folder(folder, **options)

    monkeypatch.setattr(spans, "list_folder", recorded)
    return folders


@pytest.mark.parametrize(("node", "folders"), [("", 1), ("unpaired", 2)], indirect=["node"])
def test_the_executor_in_the_process_of_the_driver_does_not_list_again(node, listed, folders):
    resolve, execute = node
    properties = resolve()
    first = execute(1, properties)
    assert len(listed) == folders
    assert execute(2, properties) == first
    assert len(listed) == 2 * folders


def test_an_executor_takes_no_listing_of_another_time(node, image_folder, noise):
    resolve, execute = node
    old = resolve()
    noise(99).save(image_folder / "cats/99.png")
    assert b'"files": 40' in execute(1, old)["rejected.json"]
    new = resolve()
    assert b'"files": 41' in execute(2, old)["rejected.json"]
    assert b'"files": 41' in execute(3, new)["rejected.json"]


def test_a_file_that_changes_after_the_driver_is_decoded_again_in_the_next_run(
    node, image_folder, noise
):
    resolve, execute = node
    execute(1, resolve())
    before = resolve()
    noise(77).save(image_folder / "cats/01.png")
    (image_folder / "dogs/02.png").unlink()
    execute(2, before)
    again = execute(3, resolve())
    for number in (1, 2, 3):
        (image_folder.parent / "examples" / str(number)).rename(image_folder.parent / str(number))
    assert again == execute(4, resolve())
