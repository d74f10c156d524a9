import io
import json
import os
import random
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders import parquet
from components.image_example_gen.folders.listing import list_folder
from components.image_example_gen.folders.parquet import (
    DAMAGED_GROUP,
    NO_IMAGE,
    NO_IMAGES,
    NOT_PARQUET,
    WRONG_LABELS,
    ParquetContent,
    list_parquet,
)
from components.image_example_gen.folders.reading import ImageReader

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def make_parquet(contents, labels=None, names=None, kind=IMAGE, rows=4, **columns):
    """A Parquet file of images as datasets writes it, with so many rows per group."""
    images = [None if each is None else {"bytes": each, "path": "x.png"} for each in contents]
    columns = {"image": pa.array(images, kind), **columns}
    if labels is not None:
        columns["label"] = pa.array(labels)
    table = pa.table(columns)
    if names is not None:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(metadata)
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=rows)
    return stream.getvalue()


def listed(content):
    return list(list_parquet(io.BytesIO(content), ImageFile("x.parquet", len(content))))


def numbered(count):
    return [f"image {index}".encode() for index in range(count)]


def test_rows_are_listed_by_number_and_read_in_any_order(tmp_path):
    contents = numbered(1000)
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "x.parquet").write_bytes(make_parquet(contents, rows=300))
    files = list_folder(str(tmp_path)).images
    assert [file.path for file in files[::999]] == [
        "cats/x.parquet/0000000",
        "cats/x.parquet/0000999",
    ]
    assert {file.class_label for file in files} == {"cats"}
    order = list(range(1000))
    for _ in range(2):
        with ImageReader(str(tmp_path)) as reader:
            assert all(reader.open(files[i]).read() == contents[i] for i in order)
        random.Random(0).shuffle(order)
        order = order[:50]


def test_images_are_read_in_batches_that_do_not_grow_with_the_row_group(monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_BYTES", 1000)
    content = make_parquet([bytes([i]) * 100 for i in range(200)], rows=200)
    reader = ParquetContent(io.BytesIO(content))
    for row in range(200):
        assert reader.read(row, 0) == bytes([row]) * 100
        assert len(reader._rows) <= 20


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [
        ([0, 1, None, -1, 7], ["cat", "dog"], ["cat", "dog", "", "", "7"]),
        ([0, 1, None, 3, 4], None, ["0", "1", "", "3", "4"]),
        (["a", "b", None, "", "c" * 300], None, ["a", "b", "", "", "c" * 255]),
        ([0, 1, 0, 1, 0], "cat", ["0", "1", "0", "1", "0"]),
    ],
)
def test_labels_are_those_of_the_column_by_the_names_of_its_feature(labels, names, expected):
    entries = listed(make_parquet(numbered(5), labels, names))
    assert [entry.label for entry in entries] == expected
    assert not any(entry.problem for entry in entries)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["cat", "dog", "cat", None]).dictionary_encode(), ["cat", "dog", "cat", ""]),
        (pa.nulls(4), [""] * 4),
        (pa.array([True, False, True, None]), ["True", "False", "True", ""]),
    ],
    ids=["categorical", "without a value", "bool"],
)
def test_labels_of_other_types_that_name_classes_are_read(column, expected):
    entries = listed(make_parquet(numbered(4), column))
    assert [(entry.label, entry.problem) for entry in entries] == [(each, "") for each in expected]


def test_rows_whose_label_is_none_are_in_no_class_of_the_folder(tmp_path):
    (tmp_path / "data").mkdir()
    labels = {"train": ([0, 1], ["cat", "dog"]), "test": ([-1, None], ["cat", "dog"]), "x": ()}
    for name, given in labels.items():
        (tmp_path / "data" / f"{name}.parquet").write_bytes(make_parquet(numbered(2), *given))
    classes = [file.class_label for file in list_folder(str(tmp_path)).images]
    assert classes == ["", "", "cat", "dog", "data", "data"]


def test_metadata_that_is_no_json_gives_numbers_as_labels():
    table = pa.table({"image": pa.array([{"bytes": b"x"}], IMAGE), "label": [3]})
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"huggingface": "[" * 100_000}), stream)
    assert [entry.label for entry in listed(stream.getvalue())] == ["3"]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"picture": pa.array([{"bytes": b"x"}], IMAGE)}, NO_IMAGES),
        ({"image": pa.array([b"x"])}, NO_IMAGES),
        ({"image": pa.array([{"bytes": "x"}])}, NO_IMAGES),
        ({"image": pa.array([{"path": "x"}])}, NO_IMAGES),
        ({"image": pa.array([[1]])}, NO_IMAGES),
        ({"image": pa.array([{"bytes": b"x"}], IMAGE), "label": [1.5]}, WRONG_LABELS),
        ({"image": pa.array([{"bytes": b"x"}], IMAGE), "label": [["a"]]}, WRONG_LABELS),
    ],
)
def test_a_column_that_is_missing_or_of_another_type_is_one_rejected_file(columns, problem):
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    assert [(file.path, file.problem) for file in listed(stream.getvalue())] == [
        ("x.parquet", problem)
    ]


@pytest.mark.parametrize("content", [b"", b"text", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_not_parquet_is_one_rejected_file(tmp_path, content):
    (tmp_path / "x.parquet").write_bytes(content)
    (tmp_path / "y.png").write_bytes(b"x")
    problems = {file.path: file.problem for file in list_folder(str(tmp_path)).images}
    assert problems == {"x.parquet": NOT_PARQUET, "y.png": ""}
    cut = make_parquet(numbered(9))[:-20]
    assert [entry.problem for entry in listed(cut)] == [NOT_PARQUET]


def test_rows_without_an_image_and_damaged_groups_are_rejected_and_others_read():
    contents = [b"a" * 3000, None, b"c" * 3000, b"d" * 3000]
    content = make_parquet(contents, rows=2)
    at = content.index(b"c" * 100)
    content = content[: at - 40] + bytes(60) + content[at + 20 :]
    reader = ParquetContent(io.BytesIO(content))
    found = []
    for entry in listed(content):
        try:
            found.append(reader.read(entry.offset, 0))
        except RejectedImage as rejected:
            found.append(str(rejected))
    assert found == [contents[0], NO_IMAGE, DAMAGED_GROUP, DAMAGED_GROUP]


def test_a_null_in_the_content_is_no_image():
    images = pa.array([{"bytes": None, "path": "here.png"}, {"bytes": b"x", "path": None}], IMAGE)
    stream = io.BytesIO()
    pq.write_table(pa.table({"image": images}), stream)
    reader = ParquetContent(stream)
    with pytest.raises(RejectedImage, match=NO_IMAGE):
        reader.read(0, 0)
    assert reader.read(1, 0) == b"x"


def test_images_that_are_too_large_are_rejected_before_they_are_decoded(monkeypatch):
    content = make_parquet([b"x" * 10, b"x" * 5000, b"y" * 10, b"y" * 10], rows=4)
    monkeypatch.setattr(parquet, "MAX_IMAGE_BYTES", 2000)
    reader = ParquetContent(io.BytesIO(content))
    with pytest.raises(RejectedImage, match="more than"):
        reader.read(1, 0)
    assert reader.read(2, 0) == b"y" * 10
    monkeypatch.setattr(parquet, "MAX_IMAGE_BYTES", 100)
    assert {entry.problem for entry in listed(content)} == {"more than 256 MiB"}


def test_every_damage_of_a_file_is_reported_or_harmless():
    content = make_parquet(numbered(9), list("abcabcabc"))
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0x81
        entries = listed(bytes(damaged))
        reader = None
        for entry in entries:
            if not entry.problem:
                reader = reader or ParquetContent(io.BytesIO(damaged))
                with suppress(RejectedImage):
                    reader.read(entry.offset, 0)
        assert len(entries) <= len(content)


def test_an_error_of_the_storage_is_not_taken_for_damage():
    class Failing(io.BytesIO):
        fails = False

        def read(self, size=-1):
            if self.fails:
                raise PermissionError(13, os.strerror(13))
            return super().read(size)

    stream = Failing(make_parquet([b"x" * 3000] * 9, list(range(9))))
    reader, stream.fails = ParquetContent(stream), True
    with pytest.raises(PermissionError):
        reader.read(0, 0)
    with pytest.raises(PermissionError):
        list(list_parquet(stream, ImageFile("x.parquet", 10**6)))
