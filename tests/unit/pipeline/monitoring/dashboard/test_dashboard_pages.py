import html.parser
import json
import posixpath
import re
from datetime import timedelta

import pytest
from dashboard_story import FIRST, HOSTILE, record_everything

from pipeline.monitoring.dashboard import pages, weeks
from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.datasets import all_spans, rejected_files
from pipeline.monitoring.dashboard.pages import Site
from pipeline.monitoring.dashboard.weeks import calendar
from pipeline.monitoring.dashboard.wording import age
from pipeline.registry.journal import Outcome
from pipeline.workspace import Workspace
from tests.recorded import write_model

MAIN = ["index.html", "history.html", "models.html", "runs.html", "data.html"]


class Elements(html.parser.HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, content):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(content.decode())

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.found and self.found[-1][0] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, name):
        return [attributes[name] for _, attributes in self.found if name in attributes]


def read(site, path):
    return Elements(site.page(path).content)


def spans_in(story):
    overview = collect(story.workspace)
    return all_spans(overview.datasets, overview.held)


def own_pages(site):
    return [path for path in site.paths() if not path.startswith("reports/")]


def test_the_overview_shows_the_live_model_held_data_and_the_last_check(story):
    run, number = story.run(span=7, kid=0.0123)
    story.write_evaluation(run)
    story.recorded.push(number, story.workspace.serving)
    story.attempt(8, Outcome.BLESSED, "now live", runs=(run,))
    story.attempt(9, Outcome.HELD, "span 8 drifted")
    story.journal.hold(8, "the images are dark", FIRST + timedelta(days=9))
    page = read(story.site(day=10), "index.html")
    assert f"Model {number} is live" in page.text
    assert "Trained 2 days ago on 1,797 images up to span 7, blessed." in page.text
    assert "kid 0.0123" in page.text
    assert "span 8 is held" in page.text
    assert "the images are dark" in page.text
    assert "iadb spans release 8" in page.text
    assert "data held for review" in page.text
    assert "span 8 drifted" in page.text
    assert "2 checks since 10 November: 1 blessed, 1 held." in page.text
    assert any(uri.startswith("data:image/png;base64,") for uri in page.all("src"))


def test_runs_that_a_person_started_are_shown_without_a_journal(story):
    _, number = story.run()
    story.recorded.push(number, story.workspace.serving)
    story.workspace.journal.unlink(missing_ok=True)
    site = story.site()
    assert f"Model {number} is live" in read(site, "index.html").text
    assert "run ✓ blessed" in read(site, "history.html").text
    assert "done" in read(site, "runs.html").text


def test_a_run_that_ended_early_has_no_times_of_what_it_did_not_reach(story):
    story.run()
    story.run(blessed=None)  # its evaluation was not begun
    running, whole = (
        read(story.site(), "runs.html").text.split("… running, or cut off")[1].split("✓ done")
    )
    assert (running.count("– –"), whole.count("– –")) == (1, 0)
    story.run()
    early = read(story.site(), "runs.html").text.split("✗ interrupted")[1].split("✓ done")[0]
    assert early.count("– –") == 1


def test_an_empty_workspace_names_the_first_command(tmp_path):
    site = Site(collect(Workspace(tmp_path / "new")), FIRST)
    assert site.paths() == MAIN
    assert "Nothing has happened yet" in read(site, "index.html").text
    for path in MAIN:
        assert re.search("iadb run|read images yet", read(site, path).text)


def test_checks_before_the_first_model_are_shown(tmp_path, story):
    story.attempt(0, Outcome.FAILED, "the disk is full")
    story.workspace.metadata.unlink()
    page = read(story.site(), "index.html")
    assert "No model is live yet" in page.text
    assert "the disk is full" in page.text


def test_a_version_of_an_unknown_model_is_shown(story):
    write_model(story.workspace.serving / "12")
    assert "Version 12 is live" in read(story.site(), "index.html").text


def test_each_model_has_a_page_with_its_reason_parents_and_images(story):
    parent, child = record_everything(story, "said by the gate")
    site = story.site()
    first, second = (read(site, f"models/{number}.html") for number in (parent, child))
    assert "live" in first.text
    assert "said by the gate" in first.text
    assert "In said by the gate 1,797" in first.text  # a split
    assert "withdrawn" in second.text
    assert f"{parent}.html" in second.all("href")
    assert "../history.html#check-2" in second.all("href")


def test_the_images_of_a_model_are_never_called_not_trained(story):
    _, number = story.run(span=1)
    assert "not trained" not in read(story.site(), f"models/{number}.html").text
    assert "span 1 not trained" in read(story.site(), "data.html").text  # no judged check read it


def test_a_model_is_shown_with_the_drift_of_its_images(story):
    _, number = story.run()
    [verdict] = story.recorded.store.get_artifacts_by_type("components.DriftVerdict")
    verdict.custom_properties["drifted"].int_value = 1
    verdict.custom_properties["summary"].string_value = f"darker {HOSTILE}"
    story.recorded.store.put_artifacts([verdict])
    page = read(story.site(), f"models/{number}.html")
    assert "Drift darker <script>" in page.text
    assert "script" not in {tag for tag, _ in page.found}


def test_a_report_is_a_page_by_the_number_of_its_evaluation(story):
    run, number = story.run()
    story.write_evaluation(run)
    site = story.site()
    [path] = [path for path in site.paths() if path.startswith("reports/")]
    assert re.fullmatch(r"reports/\d+\.html", path)
    assert f"../{path}" in read(site, f"models/{number}.html").all("href")
    assert site.page(path).content == f"<title>{run}</title>".encode()
    assert site.page(path).policy.startswith("default-src 'none'")


def test_a_model_has_floor_noise_and_limits_beside_its_metrics_and_its_configuration(story):
    run, number = story.run()
    story.write_evaluation(run)
    store = story.recorded.store
    [training] = store.get_executions_by_type("Trainer")
    options = {"train": {"batch_size": 64}, "split": {"data.eval_percent": 20}, "resolution": 8}
    training.custom_properties["custom_config"].string_value = json.dumps(options)
    training.custom_properties["steps"].int_value = 500
    store.put_executions([training])
    text = read(story.site(), f"models/{number}.html").text
    assert "kid 0.01 −0.0009 1.952 ≤ 0.02" in text
    assert "coverage 0.9 – – ≤ 0 worse" in text
    assert "recall 0.8 – – –" in text
    for setting in ("data. eval_ percent 20", "train. steps 500", "train. batch_ size 64"):
        assert setting in text
    assert "evaluate. thresholds. kid. maximum 0.02" in text


def test_every_link_leads_to_a_page_and_a_place_on_it(story):
    record_everything(story, "text")
    site = story.site()
    ids = {path: read(site, path).all("id") for path in site.paths()}
    links = [(path, link) for path in own_pages(site) for link in read(site, path).all("href")]
    drawn = re.compile("#[mp][0-9a-f]{10}")  # what matplotlib refers to in its own drawing
    for path, link in links:
        if drawn.fullmatch(link) or link == "data:,":  # the icon
            continue
        target, _, place = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), target or path))
        target = path if link.startswith("#") else target
        assert target in ids, (path, link)
        assert not place or place in ids[target], (path, link)
    assert len(links) > 50


def test_text_from_outside_is_neither_markup_nor_a_path_nor_a_control_character(story):
    record_everything(story, HOSTILE)
    site = story.site()
    for path in site.paths():
        assert re.fullmatch(r"(\w+/\d+|\w+)\.html", path)
    shown = 0
    for path in own_pages(site):
        content = site.page(path).content.decode()
        elements = Elements(content.encode())
        tags = {tag for tag, _ in elements.found}
        assert not tags & {"script", "iframe", "object", "base", "form"}
        assert all(uri.startswith("data:image/png;base64,") for uri in elements.all("src"))
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", content)
        shown += elements.text.count('<script>alert("x")</script>')
        assert elements.text.count("<script>") == elements.text.count("\\x1b[2J\\u202e $x^2$")
    assert shown > 10


def test_a_page_runs_no_script_and_asks_for_nothing(story):
    record_everything(story, "text")
    site = story.site()
    for path in own_pages(site):
        page = site.page(path)
        elements = Elements(page.content)
        [policy] = [a for tag, a in elements.found if "http-equiv" in a]
        assert policy["content"] == page.policy
        assert "script-src" not in page.policy
        assert page.policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
        assert elements.all("style") == []


def test_the_calendar_shows_each_outcome_of_a_day_the_most_serious_first(story):
    story.attempt(1, Outcome.BLESSED)
    story.attempt(1, Outcome.FAILED)
    story.attempt(1, Outcome.NOTHING_NEW)
    story.attempt(2, Outcome.TOO_FEW)
    story.attempt(2, Outcome.NOTHING_NEW)
    story.attempt(9, Outcome.BLESSED)
    found = calendar(collect(story.workspace).events)
    assert [len(week) for week in found] == [7, 7]
    assert found[0][0][0] == FIRST.date()
    outcomes = [[attempt.outcome for attempt in attempts] for _, attempts in found[0]]
    assert outcomes[:4] == [[], [Outcome.FAILED, Outcome.BLESSED], [Outcome.TOO_FEW], []]


def test_the_calendar_shows_the_last_weeks_of_a_year(story):
    for day in range(0, 365, 5):
        story.attempt(day, Outcome.NOTHING_NEW)
    found = calendar(collect(story.workspace).events)
    assert len(found) == weeks.WEEKS
    assert found[-1][0][0] <= (FIRST + timedelta(days=360)).date() <= found[-1][-1][0]


def test_weeks_without_checks_are_shown_and_not_counted(story):
    story.attempt(0, Outcome.FAILED)
    story.attempt(60, Outcome.BLESSED)
    assert len(calendar(collect(story.workspace).events)) == weeks.WEEKS
    assert "1 check since 1 January: 1 blessed." in read(story.site(60), "index.html").text


def test_a_check_by_a_clock_that_was_ahead_does_not_hide_the_others(story):
    story.attempt(4, Outcome.BLESSED)
    story.attempt(9000, Outcome.FAILED, "by a clock that was ahead")
    site = story.site()
    index = read(site, "index.html").text
    assert "Latest event ✓ blessed" in index
    assert "1 check since 6 November: 1 blessed." in index
    assert "by a clock that was ahead" not in index
    assert "by a clock that was ahead" in read(site, "history.html").text


def test_only_the_newest_check_without_an_end_may_still_run(story):
    story.attempt(0, None)
    story.attempt(1, None)
    rows = read(story.site(), "history.html").text
    assert rows.count("running, or cut off") == 2  # in the calendar, and in the table
    assert rows.count("… cut off") == 2


def test_metrics_on_the_same_images_come_before_those_on_the_newest(story):
    story.run()
    [evaluation] = story.recorded.store.get_artifacts_by_type("ModelEvaluation")
    evaluation.custom_properties["kid@holdout"].double_value = 0.02
    story.recorded.store.put_artifacts([evaluation])
    overview = collect(story.workspace)
    assert pages.charted_metrics(overview) == ["kid@holdout", "kid", "coverage"]
    captions = read(story.site(), "models.html").text
    assert captions.index("kid@holdout") < captions.index("coverage")


def test_spans_that_were_read_or_held_are_listed_with_those_that_wait(story):
    for span in (1, 2):
        story.run(span=span)
    story.journal.hold(3, "dark", FIRST)
    spans = spans_in(story)
    assert [(each.span, each.accepted, each.rejected) for each in spans] == [
        (1, 1797, 0),
        (2, 1797, 0),
        (3, None, None),
    ]
    assert [each.waits for each in spans] == [False, False, True]
    assert "span 3 ‖ held – – never since 2026-11-02" in read(story.site(), "data.html").text


def test_spans_are_counted_one_by_one_while_the_report_of_the_files_is_kept(story):
    run, _ = story.run(span=2)
    [examples] = story.recorded.store.get_artifacts_by_type("Examples")
    examples.custom_properties["spans"].string_value = "[1, 2]"
    story.recorded.store.put_artifacts([examples])
    counts = {"1": {"accepted": 60, "rejected": 0}, "2": {"accepted": 58, "rejected": 2}}
    spans = spans_in(story)
    assert [(each.span, each.accepted, each.rejected) for each in spans] == [
        (1, None, None),
        (2, None, None),
    ]
    story.write_rejected(run, by_span=counts)
    spans = spans_in(story)
    assert [(each.span, each.accepted, each.rejected) for each in spans] == [(1, 60, 0), (2, 58, 2)]


def test_a_folder_without_spans_that_is_held_is_no_span(story):
    story.journal.hold(0, "the images are dark", FIRST)
    text = read(story.site(), "index.html").text
    assert "the folder is held" in text
    assert "span 0" not in text
    assert "iadb spans release 0" in text


def test_files_that_were_accepted_later_are_rejected_no_more(story):
    for files in ([["a.png", "empty"], ["b.png", "empty"]], [["b.png", "empty"]]):
        run, _ = story.run()
        story.write_rejected(run, files)
    assert dict(rejected_files(collect(story.workspace).datasets)) == {"b.png": "empty"}


def test_a_list_that_was_removed_is_not_taken_for_no_rejected_files(story):
    story.run()
    [examples] = story.recorded.store.get_artifacts_by_type("Examples")
    examples.custom_properties["rejected"].int_value = 0
    story.recorded.store.put_artifacts([examples])
    assert "✓ None." in read(story.site(), "data.html").text
    examples.custom_properties["rejected"].int_value = 3
    story.recorded.store.put_artifacts([examples])
    text = read(story.site(), "data.html").text
    assert "✓ None." not in text
    assert "The report that lists them was removed" in text


def test_a_workspace_that_was_moved_shows_its_files(story, tmp_path):
    run, _ = story.run()
    story.write_rejected(run, [["a.png", "empty"]])
    moved = tmp_path / "moved"
    story.workspace.folder.rename(moved)
    assert dict(rejected_files(collect(Workspace(moved)).datasets)) == {"a.png": "empty"}


def test_rejected_files_are_named_once_with_their_latest_reason(story):
    for reason in ("empty", "truncated"):
        run, _ = story.run()
        story.write_rejected(run, [["a.png", reason], ["b.png", "empty"]])
    datasets = collect(story.workspace).datasets
    assert dict(rejected_files(datasets)) == {"a.png": "truncated", "b.png": "empty"}
    assert "1 truncated" in read(story.site(), "data.html").text


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        ({"seconds": 30}, "just now"),
        ({"minutes": 1}, "1 minute ago"),
        ({"hours": 47}, "47 hours ago"),
        ({"days": 2}, "2 days ago"),
        ({"hours": -1}, "just now"),
    ],
)
def test_an_age_is_shown_in_words(passed, text):
    assert age(FIRST, FIRST + timedelta(**passed)) == text


def test_what_a_check_found_is_shown_once(story):
    found = "60 new images in span 3"
    story.attempt(1, Outcome.BLESSED, f"{found}; kid 0.01 is at most 0.02", found=found)
    story.attempt(2, Outcome.NOTHING_NEW, "no new images", found="no new images")
    text = read(story.site(), "history.html").text
    assert text.count(found) == 1
    assert "kid 0.01 is at most 0.02" in text
    assert text.count("no new images") == 1
