"""The table of a model that translates: its results beside what a person would try."""

import pytest
from report_data import make_metric, make_pictures, make_summary

from components.sample_evaluator.report import page
from components.sample_evaluator.report.figures import Pictures, arrange
from components.sample_evaluator.report.pairs import pair_table

ANSWERS = {"sources": 100, "answers": 8, "diversity": 0.25, "pixel_diversity": 41.5}


def make_pairs(answers=ANSWERS):
    beside = {"source": 21.5, "other": 9.25, "answer": None, "mean_answer": None}
    if answers:
        beside |= {"answer": 22.25, "mean_answer": 24.75}
    psnr = make_metric(22.5, larger_is_better=True, **beside)
    kid = make_metric(0.01, source=0.4, other=None, answer=0.02, mean_answer=0.3)
    summary = make_summary(metrics={"psnr": psnr, "kid": kid, "recall": make_metric(0.4)})
    counts = {"source": 120, "other": 100}
    return {**summary, "images": summary["images"] | counts, "answers": answers}


def test_results_stand_beside_sources_and_mean_answers():
    table = pair_table(make_pairs())
    assert table.heads[1:] == [
        "results",
        "the sources themselves",
        "other held-out images",
        "one answer each",
        "mean answers",
    ]
    assert table.rows == [
        ["psnr ↑", "22.5", "21.5", "9.25", "22.25", "24.75"],
        ["kid ↓", "0.01", "0.4", "–", "0.02", "0.3"],
    ]
    text = " ".join(table.sentences)
    assert "mean of 8 answers each, are those to the first 100 sources" in text
    assert "41.5 gray levels (root mean square), and in features by 25% of the squared" in text


def test_where_a_source_has_one_answer_there_is_no_diversity():
    summary = make_pairs(answers=None)
    for metric in summary["metrics"].values():
        metric |= {"answer": None, "mean_answer": None}
    table = pair_table(summary)
    assert table.heads[1:] == ["results", "the sources themselves", "other held-out images"]
    assert "iversity" not in " ".join(table.sentences)


def test_results_for_sources_of_no_image_have_no_partner_to_stand_beside():
    summary = make_pairs()
    del summary["metrics"]["psnr"]
    summary["images"].pop("other")
    table = pair_table(summary)
    assert table.title == "Results beside their sources"
    assert table.rows == [["kid ↓", "0.01", "0.4", "0.02", "0.3"]]
    assert "psnr" not in " ".join(table.sentences)
    (figure, *_) = arrange(Pictures(pairs=b"1", samples=b"3", real=b"4"), summary).first
    assert figure.caption.startswith("Source and result")


def test_a_model_that_does_not_translate_has_no_table():
    assert pair_table(make_summary()) is None
    assert "beside their images" not in page.render(make_summary(), make_pictures())


def test_the_page_has_the_table_and_the_pictures_come_first():
    shown = Pictures(pairs=b"1", answers=b"2", samples=b"3", real=b"4")
    first, second, *_ = arrange(shown, make_pairs()).first
    assert first.caption.startswith("Source, result and image")
    assert "the best results, those in the middle and the worst" in first.alternative
    assert second.alternative.startswith("Rows of a source, several answers")
    html = page.render(make_pairs(), shown)
    assert html.index("Results beside their images") < html.index("All numbers")
    assert html.count('alt="Rows of a source, several answers') == 1


@pytest.mark.parametrize("diversity", [None, 0.0])
def test_a_diversity_that_is_not_known_is_left_out(diversity):
    table = pair_table(make_pairs(ANSWERS | {"diversity": diversity}))
    assert table.sentences[-1].endswith(
        "(root mean square)."
        if diversity is None
        else "by 0% of the squared distance between two held-out images."
    )
