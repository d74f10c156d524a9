"""The table of a model that translates: its results beside what a person would try."""

import re

import pytest
from report_data import make_metric, make_pictures, make_summary

from components.sample_evaluator.report import page

ANSWERS = {"sources": 100, "answers": 8, "diversity": 0.25, "pixel_diversity": 41.5}


def make_pairs(answers=ANSWERS):
    beside = {"source": 21.5, "other": 9.25, "answer": None, "mean_answer": None}
    if answers:
        beside |= {"answer": 22.25, "mean_answer": 24.75}
    psnr = make_metric(22.5, larger_is_better=True, **beside)
    kid = make_metric(0.01, source=0.4, other=None, answer=0.02, mean_answer=0.3)
    metrics = {"psnr": psnr, "kid": kid, "recall": make_metric(0.4)}
    summary = make_summary(metrics=metrics, checks=[], history=[])
    counts = {"source": 120, "other": 100}
    return {**summary, "images": summary["images"] | counts, "answers": answers}


def table(html):
    """The heads and rows of the table of pairs."""
    part = html[html.index('<h2 id="pairs">') :]
    part = part[: part.index("</table>")]
    heads = re.findall(r">([^<]+)</th>", part[: part.index("</thead>")])
    rows = [re.findall(r">([^<]+)</t[hd]>", row) for row in part.split("<tr>")[2:]]
    return heads, rows


def test_results_stand_beside_sources_and_mean_answers():
    html = page.render(make_pairs(), {})
    heads, rows = table(html)
    assert heads[1:] == [
        "results",
        "the sources themselves",
        "other held-out images",
        "one answer each",
        "mean answers",
    ]
    assert rows == [
        ["psnr ↑", "22.5", "21.5", "9.25", "22.25", "24.75"],
        ["kid ↓", "0.01", "0.4", "–", "0.02", "0.3"],
    ]
    text = " ".join(html.split())
    assert "mean of 8 answers each, are those to the first 100 sources" in text
    assert "41.5 gray levels (root mean square), and in features by 25% of the squared" in text
    assert "Two answers" in text


def test_where_a_source_has_one_answer_there_is_no_diversity():
    summary = make_pairs(answers=None)
    for metric in summary["metrics"].values():
        metric |= {"answer": None, "mean_answer": None}
    html = page.render(summary, {})
    assert table(html)[0][1:] == ["results", "the sources themselves", "other held-out images"]
    assert "Two answers" not in html


def test_results_for_sources_of_no_image_have_no_partner_to_stand_beside():
    summary = make_pairs()
    del summary["metrics"]["psnr"]
    summary["images"].pop("other")
    html = page.render(summary, {"pairs": b"1"})
    assert "Results beside their sources</h2>" in html
    assert table(html)[1] == [["kid ↓", "0.01", "0.4", "0.02", "0.3"]]
    assert "psnr" not in html
    assert ">Source and result of some held-out sources" in html


def test_a_model_that_does_not_translate_has_no_table():
    assert "beside their images" not in page.render(make_summary(), make_pictures())


def test_the_table_comes_after_its_pictures():
    shown = {"pairs": b"1", "answers": b"2", "samples": b"3", "real": b"4"}
    html = page.render(make_pairs(), shown)
    told = (
        ">Source, result and image",
        "several answers to each, and its image",
        ">Samples, from seed 7",
        "Results beside their images",
        "All numbers",
    )
    places = [html.index(text) for text in told]
    assert places == sorted(places)


@pytest.mark.parametrize("diversity", [None, 0.0])
def test_a_diversity_that_is_not_known_is_left_out(diversity):
    html = page.render(make_pairs(ANSWERS | {"diversity": diversity}), {})
    said = "by 0% of the squared distance between two held-out images."
    assert (said in " ".join(html.split())) == (diversity is not None)
