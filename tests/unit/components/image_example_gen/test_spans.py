import contextlib
import os
import subprocess
import sys

import pytest

from components.image_example_gen import spans
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.pattern import has_spans
from components.image_example_gen.spans import ImageSource, Listings, Offer, unpaired_sources
from components.image_example_gen.windows import list_spans


@pytest.fixture
def make_folders(tmp_path):
    def make(*paths):
        for path in paths:
            (tmp_path / path).mkdir(parents=True, exist_ok=True)
        return str(tmp_path)

    return make


def touch(folder, *paths):
    for path in paths:
        file = os.path.join(folder, path)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "wb"):
            pass


def found(folder, pattern):
    return [(span.number, span.folder) for span in list_spans(folder, pattern)]


def one_line(error):
    return "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("", ""),
        ("train", "train"),
        ("./a//b/", "a/b"),
    ],
)
def test_without_placeholders_the_only_span_has_number_zero(tmp_path, pattern, folder):
    assert found(str(tmp_path), pattern) == [(0, folder)]


def test_spans_ascend_by_number_and_keep_the_leading_zeros_of_their_folders(make_folders):
    folder = make_folders("span-10", "span-02", "span-9")
    expected = [(2, "span-02"), (9, "span-9"), (10, "span-10")]
    assert found(f"{folder}/", "span-{SPAN}") == expected


def test_spans_may_be_in_folders_of_one_name(make_folders):
    folder = make_folders("1/in", "2/in", "2/other", "3")
    assert found(folder, "{SPAN}/in") == [(1, "1/in"), (2, "2/in")]


def test_dates_count_as_days_since_1970(make_folders):
    folder = make_folders("1970/01/01", "2025/01/02", "2024/12/31")
    expected = [(0, "1970/01/01"), (20088, "2024/12/31"), (20090, "2025/01/02")]
    assert found(folder, "{YYYY}/{MM}/{DD}") == expected
    make_folders("d/20250102")
    assert found(folder, "d/{YYYY}{MM}{DD}") == [(20090, "d/20250102")]


def test_folders_that_do_not_match_are_ignored(make_folders):
    folder = make_folders("span-1", "span-2.partial", "old-span-3", "span-", "span-٣", "span--4")
    touch(folder, "span-5")
    os.symlink("span-1", f"{folder}/span-6")
    assert found(folder, "span-{SPAN}") == [(1, "span-1")]


def test_special_characters_of_a_pattern_match_themselves(make_folders):
    folder = make_folders("my data (ž)/a.b+c 1", "my data (ž)/axb+c 2")
    expected = [(1, "my data (ž)/a.b+c 1")]
    assert found(folder, "my data (ž)/a.b+c {SPAN}") == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/abs-{SPAN}", "expected a path below"),
        ("../{SPAN}", "neither .."),
        ("*/{SPAN}", "nor wildcards"),
        ("{SPAM}", "the placeholders are {SPAN} and"),
        ("{SPAN:2}", "the placeholders are {SPAN} and"),
        ("span-{SPAN", "the placeholders are"),
        ("{SPAN}/{SPAN}", "only once"),
        ("{YYYY}/{MM}", "needs all of"),
        ("{YYYY}/{MM}/{DD}/{SPAN}", "mutually exclusive"),
        ("{SPAN}/v-{VERSION}", "the placeholders are {SPAN} and"),
    ],
)
def test_an_invalid_pattern_is_a_one_line_error(pattern, message):
    with pytest.raises(ImageDataError) as error:
        has_spans(pattern)
    assert message in str(error.value)
    assert one_line(error)


@pytest.mark.parametrize(
    ("folders", "pattern", "message"),
    [
        (["a"], "span-{SPAN}", "no folder matches the pattern 'span-{SPAN}'"),
        (["span-1", "span-01"], "span-{SPAN}", "'span-01' and 'span-1' are both span 1"),
        (["20250102030405"], "{SPAN}", "'20250102030405' has a number with more than 9 digits"),
        (["2025/02/30"], "{YYYY}/{MM}/{DD}", "'2025/02/30' is not a valid date since 1970"),
        (["1969/12/31"], "{YYYY}/{MM}/{DD}", "not a valid date since 1970"),
        (["2206/03/02"], "{YYYY}/{MM}/{DD}", "'2206/03/02' is a date more than a year"),
        ([], "missing/{SPAN}", "no folder matches the pattern"),
    ],
)
def test_folders_that_are_not_spans_are_a_one_line_error(make_folders, folders, pattern, message):
    folder = make_folders(*folders)
    with pytest.raises(ImageDataError) as error:
        list_spans(folder, pattern)
    assert message in str(error.value)
    assert one_line(error)


def test_a_folder_that_cannot_be_listed_is_a_one_line_error(open_to_all, unprivileged):
    with pytest.raises(ImageDataError, match=r"cannot be read \(No such file"):
        list_spans(str(open_to_all / "none"), "{SPAN}")
    (open_to_all / "2025").mkdir(mode=0)
    with unprivileged(), pytest.raises(ImageDataError, match=r"2025: .* \(Permission denied"):
        list_spans(str(open_to_all), "{YYYY}/{MM}/{DD}")


def test_the_paths_of_a_window_are_relative_to_the_data_folder(tmp_path):
    touch(tmp_path, "in/1/cats/x.png", "in/2/cats/x.png", "in/2/y.png", "in/3/z.png")
    window = list_spans(str(tmp_path), "in/{SPAN}")[:2]
    files = ImageSource(f"{tmp_path}/", tuple(window)).list_files()
    assert [(file.path, file.path_in_span, file.span) for file in files] == [
        ("in/1/cats/x.png", "cats/x.png", 1),
        ("in/2/cats/x.png", "cats/x.png", 2),
        ("in/2/y.png", "y.png", 2),
    ]
    everything = ImageSource(str(tmp_path)).list_files()
    assert [file.path for file in everything][-1] == "in/3/z.png"
    assert {file.path == file.path_in_span for file in everything} == {True}


def test_an_older_span_may_be_empty_but_not_the_newest(make_folders):
    folder = make_folders("1", "2")
    touch(folder, "2/x.png")
    window = tuple(list_spans(folder, "{SPAN}"))
    assert [file.path for file in ImageSource(folder, window).list_files()] == ["2/x.png"]
    with pytest.raises(ImageDataError, match="1: no image files"):
        ImageSource(folder, window[:1]).list_files()


def test_sources_without_pairs_have_paths_that_begin_with_their_folder(tmp_path):
    touch(tmp_path, "in/1/cats/x.png")
    source = unpaired_sources(f"{tmp_path}/", f"{tmp_path}-images")
    assert [(file.path, file.path_in_span, file.span) for file in source.list_files()] == [
        (f"{tmp_path}/in/1/cats/x.png", "in/1/cats/x.png", 0)
    ]
    assert source.root == str(tmp_path)


@pytest.mark.parametrize("in_run", [True, False])
def test_a_run_and_its_driver_list_a_folder_once(tmp_path, monkeypatch, in_run):
    touch(str(tmp_path), "images/a.png", "images/b.png", "sources/a.png", "sources/c.png")
    listed, list_folder = [], spans.list_folder
    monkeypatch.setattr(
        spans, "list_folder", lambda folder, **_: listed.append(folder) or list_folder(folder, **_)
    )
    images, sources = str(tmp_path / "images"), str(tmp_path / "sources")
    pairs = ImageSource(images, sources=sources)
    with Listings() if in_run else contextlib.nullcontext(Listings()) as listings:
        looked_at = listings.of(ImageSource(images)).images
        assert [file.path for file in looked_at] == ["a.png", "b.png"]
        paths = [file.path for file in listings.of(pairs).images]
        assert paths == [f"{sources}/c.png", "a.png", "b.png"]
        assert listed == [images, sources]
        assert [file.path for file in Offer([pairs]).listings[pairs].images] == paths
        assert len(listed) == (2 if in_run else 4)
        Offer([pairs])  # of a second run of the graph
        assert len(listed) == (4 if in_run else 6)


def test_spans_and_their_files_are_listed_without_tensorflow_and_without_tfx(tmp_path):
    touch(tmp_path, "1/x.png")
    code = (
        "import sys; from components.image_example_gen.spans import ImageSource\n"
        "from components.image_example_gen.windows import list_spans\n"
        "source = ImageSource(sys.argv[1], tuple(list_spans(sys.argv[1], '{SPAN}')))\n"
        "print(source.list_files()[0].path)\n"
        "print({'tfx', 'tensorflow'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.split("\n")[:2] == ["1/x.png", "set()"]
