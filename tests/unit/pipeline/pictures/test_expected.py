from pathlib import Path

from pipeline.pictures.expected import MEASURED, describe_expected

DOCS = Path(__file__).parents[4] / "docs"


def test_the_documentation_has_the_same_table():
    lines = (DOCS / "own_images.md").read_text("utf-8").splitlines()
    begin = lines.index("| size | images | training | samples |") + 2
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in lines[begin : begin + len(MEASURED) + 1]
    ]
    assert rows[: len(MEASURED)] == [
        (each.size, each.images, each.training, each.samples) for each in MEASURED
    ]
    assert rows[-1] == ("",)  # the table ends there


def test_each_training_is_a_line():
    heading, *lines = describe_expected()
    assert heading.endswith(":")
    assert [line.split(",")[0].strip() for line in lines] == [each.size for each in MEASURED]
