"""The page in a browser: every control does what it says, on a phone and a desk."""

import base64
import io
import json
import re
import shutil
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.config.pipeline_config import load
from pipeline.serve import tf_serving
from tests.browser import LEAST_CONTRAST, READABLE
from tests.exported_models import write_sampler, write_translator
from tests.running_server import RunningServer
from tests.unit.pipeline.serve.conftest import LABELS
from trainer.names import METADATA
from trainer.source.options import Source

PHONE, DESK = 390, 1200  # widths in pixels
HOSTILE = ["<img src=x onerror=alert(1)>", "a" * 300, 'x" onclick="alert(1)', "{{7*7}}"]
PATIENCE = 300
SEEDS = "Seed: expected a whole number, -9007199254740000 to 9007199254740000."
# The gray values of a canvas.
GRAY = """(() => {{
  const canvas = document.querySelector('{}');
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return [...data].filter((_, i) => i % 4 === 0);
}})()"""
# Keeps what the page would save, in place of saving it.
CATCH = """
window.saved = [];
window.revoked = [];
URL.revokeObjectURL = url => window.revoked.push(url);
URL.createObjectURL = blob => { window.blob = blob; return 'blob:kept'; };
HTMLAnchorElement.prototype.click = function () { window.saved.push(this.download); };
"""
SAVED = """window.blob.arrayBuffer().then(content => {
  let text = ''; for (const byte of new Uint8Array(content)) text += String.fromCharCode(byte);
  return btoa(text);
})"""


@pytest.fixture(scope="module")
def signatures(sampler):
    return tf.saved_model.load(str(sampler)).signatures


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    write_sampler(folder / "1", labels=HOSTILE)
    with RunningServer(folder) as running:
        running.wait_for(1)
        yield running


@pytest.fixture(scope="module")
def autoguided(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoguided")
    write_sampler(folder / "1", autoguidance=1.5)
    with RunningServer(folder) as running:
        running.wait_for(1)
        yield running


@pytest.fixture(scope="module")
def translating(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translating")
    write_translator(folder / "1", Source(degrade="gray"), (8, 8, 3))
    with RunningServer(folder) as running:
        running.wait_for(1)
        yield running


class Page:
    """The playground in a browser."""

    def __init__(self, chromium, server, width=DESK, scheme="light", link=""):
        self.browser = chromium
        chromium.visit("about:blank", width, scheme)  # else a link moves within the page
        chromium.visit(f"http://127.0.0.1:{server.port}/{link}", width, scheme)
        self.until("document.getElementById('status').textContent === ''")

    def js(self, expression):
        return self.browser.evaluate(expression)

    def until(self, condition):
        end = time.monotonic() + PATIENCE
        while not self.js(condition):
            assert time.monotonic() < end, (condition, self.js("document.body.innerText"))
            time.sleep(0.02)

    def set(self, **values):
        for name, value in values.items():
            place = f"document.getElementById({json.dumps(name)})"
            self.js(f"{place}.value = {json.dumps(str(value))}")

    def press(self, selector):
        self.js(f"document.querySelector({json.dumps(selector)}).click()")
        self.until("document.getElementById('status').textContent === ''")

    def gray(self, selector):
        return np.array(self.js(GRAY.format(selector)), np.uint8).reshape(8, 8, 1)

    def problem(self):
        place = "document.getElementById('problem')"
        return self.js(f"{place}.hidden ? '' : {place}.textContent")

    def text(self, selector):
        return self.js(f"document.querySelector({json.dumps(selector)}).textContent")

    def choose(self, selector, file):
        document = self.browser.call("DOM.getDocument")["root"]["nodeId"]
        node = self.browser.call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self.browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def assert_quiet(self):
        reported = self.browser.reported
        assert reported("Log.entryAdded", "Runtime.exceptionThrown") == []
        assert reported("Runtime.consoleAPICalled", "Page.javascriptDialogOpening") == []


def generate(signatures, seed, nb_step=3):
    seeds = tf.constant([seed], tf.int64)
    return signatures["generate"](seed=seeds, nb_step=tf.constant(nb_step))["image"][0].numpy()


def assert_equal(shown, expected, tolerance=0):
    assert np.max(np.abs(shown.astype(int) - expected.astype(int))) <= tolerance


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_the_page_fits_its_window_and_can_be_read(chromium, server, hostile, width, scheme):
    for each in (server, hostile):
        page = Page(chromium, each, width, scheme)
        page.press("#walk-form button")
        page.js("document.querySelector('details').open = true")
        assert page.js("document.documentElement.scrollWidth") <= width
        assert page.js(LEAST_CONTRAST) >= READABLE
        corner = chromium.screenshot()[0, 0]
        assert np.all(corner > 230 if scheme == "light" else corner < 40)
        page.assert_quiet()


def test_it_opens_with_the_images_of_the_first_seeds(chromium, server, signatures):
    page = Page(chromium, server)
    assert page.js("document.querySelectorAll('#grid canvas').length") == 16
    assert_equal(page.gray("#grid button:nth-child(3) canvas"), generate(signatures, 2), 1)
    assert "version 7" in page.text("#model")
    assert "euler, 3 steps" in page.text("#facts")
    page.assert_quiet()


def test_seed_count_and_steps_choose_the_images(chromium, server, signatures):
    page = Page(chromium, server)
    page.set(seed=41, count=3, steps=5)
    page.press("#go")
    assert page.js("document.querySelectorAll('#grid canvas').length") == 3
    assert_equal(page.gray("#grid button:nth-child(2) canvas"), generate(signatures, 42, 5), 1)
    assert page.js("document.querySelector('#large input').max") == "5"


def test_images_appear_as_they_are_drawn_until_a_stop(chromium, versions, monkeypatch):
    with RunningServer(versions) as server:
        server.wait_for(7)
        page, go = Page(chromium, server), threading.Event()
        call = server.live.current.call

        def wait(name, inputs):
            assert 16 not in inputs["seed"] or go.wait(60)
            return call(name, inputs)

        monkeypatch.setattr(server.live.current, "call", wait)
        page.set(count=40)
        page.js("document.getElementById('go').click()")
        page.until("document.getElementById('status').textContent.startsWith('16 of 40 images')")
        assert page.js("document.querySelectorAll('#grid canvas').length") == 16
        page.press("#stop")
        assert page.problem() == "Stopped."
        go.set()
        page.press("#go")
        assert page.problem() == ""
        assert page.js("document.querySelectorAll('#grid canvas').length") == 40


def test_solver_and_guidance_choose_the_images(chromium, conditional):
    page = Page(chromium, conditional)
    page.set(seed=41, count=2, label="7", solver="heun", guidance="2.5")
    page.press("#go")
    assert page.problem() == ""
    inputs = {
        "seed": np.array([42]),
        "nb_step": np.array(3, np.int32),
        "label": np.array([b"7"], object),
    }
    version = conditional.live.current
    own = version.call("generate", inputs)["image"][0]
    inputs |= {"solver": np.array(b"heun", object), "guidance": np.array(2.5)}
    expected = version.call("generate", inputs)["image"][0]
    assert np.any(np.abs(own.astype(int) - expected) > 1)
    assert_equal(page.gray("#grid button:nth-child(2) canvas"), expected, 1)
    page.press("#grid button:nth-child(2)")
    assert_equal(page.gray("#large canvas"), expected, 1)
    page.js("document.getElementById('draw').noValidate = true")
    page.set(guidance="-1")
    page.press("#go")
    assert page.problem() == "Guidance: expected a number, 0 to 1000."


def test_a_model_without_classes_has_no_guidance(chromium, server):
    page = Page(chromium, server)
    assert page.js("document.getElementById('guidance-field').hidden")
    assert page.js("document.getElementById('solver').value") == "euler"


def test_surprise_me_draws_another_seed(chromium, server):
    page = Page(chromium, server)
    page.press("#surprise")
    seed = int(page.js("document.getElementById('seed').value"))
    assert seed != 0
    assert page.text("#large-title") == f"Seed {seed}"


def test_a_slider_goes_from_noise_to_the_image(chromium, server, signatures):
    page = Page(chromium, server)
    page.press("#grid button:nth-child(5)")
    seeds, steps = tf.constant([4], tf.int64), tf.constant(3)
    states = signatures["trajectory"](seed=seeds, nb_step=steps)["trajectory"][0].numpy()
    assert_equal(page.gray("#large canvas"), states[3], 1)
    assert page.js("document.querySelector('#grid [aria-pressed=true]').dataset.seed") == "4"
    slider = "document.querySelector('#large input')"
    page.js(f"{slider}.value = 1; {slider}.dispatchEvent(new Event('input'))")
    assert_equal(page.gray("#large canvas"), states[1], 1)
    assert page.text("#large output") == "after 1 of 3 steps"


def test_a_path_that_is_no_answer_of_json_is_left_out(chromium, versions, signatures, monkeypatch):
    monkeypatch.setattr(tf_serving, "MAX_VALUES", 4 * 64)
    with RunningServer(versions) as server:
        server.wait_for(7)
        page = Page(chromium, server)
        assert page.problem() == "Images: expected a whole number, 1 to 4."
        page.set(seed=3, count=4, steps=4)
        page.press("#go")
        assert page.problem() == ""
        assert_equal(page.gray("#large canvas"), generate(signatures, 3, 4), 1)
        assert page.text("#large output") == "after 4 of 4 steps"
        assert page.js("document.querySelector('#large input').hidden")


def test_a_walk_begins_and_ends_with_the_images_of_its_seeds(chromium, server, signatures):
    page = Page(chromium, server)
    page.press("#grid button:nth-child(3)")
    page.press("#walk-from")
    page.press("#grid button:nth-child(7)")
    page.press("#walk-to")
    slider = "document.querySelector('#walk .player input')"
    assert_equal(page.gray("#walk canvas"), generate(signatures, 2), 1)
    page.js(f"{slider}.value = {slider}.max; {slider}.dispatchEvent(new Event('input'))")
    assert_equal(page.gray("#walk canvas"), generate(signatures, 6), 1)
    assert page.text("#walk output") == "100 % of the way from seed 2 to seed 6"


def test_a_walk_with_classes_in_turn_begins_or_ends_with_the_image_that_was_chosen(
    chromium, conditional
):
    page = Page(chromium, conditional)
    page.set(seed=0, count=4)
    page.press("#go")
    slider = "document.querySelector('#walk .player input')"
    for seed, end, position in ((2, "from", "min"), (3, "from", "min"), (0, "to", "max")):
        cell = f"#grid button:nth-child({seed + 1})"
        page.press(cell)
        page.press(f"#walk-{end}")
        assert page.problem() == ""
        page.js(f"{slider}.value = {slider}.{position}; {slider}.dispatchEvent(new Event('input'))")
        assert_equal(page.gray("#walk canvas"), page.gray(f"{cell} canvas"), 1)
        assert page.text("#walk output").endswith(f", {LABELS[seed % len(LABELS)]}")
    page.set(**{"from": 1, "to": 2})
    page.press("#walk-form button")
    page.js(f"{slider}.value = 0; {slider}.dispatchEvent(new Event('input'))")
    assert_equal(page.gray("#walk canvas"), page.gray("#grid button:nth-child(2) canvas"), 1)


def test_a_picture_is_inverted_reconstructed_and_mixed(chromium, server, signatures, tmp_path):
    image = generate(signatures, 9)
    picture = tmp_path / "picture.png"
    Image.fromarray(image[..., 0]).save(picture)
    page = Page(chromium, server)
    page.choose("#own-picture", picture)
    page.set(mix=5)
    page.press("#own-form button")
    assert page.problem() == ""
    assert_equal(page.gray("#inverted figure:nth-child(1) canvas"), image)
    x0 = signatures["invert"](image=tf.constant(image[None]), nb_step=tf.constant(3))["x0"]
    x1 = signatures["transport"](x0=x0, nb_step=tf.constant(3))["x1"][0].numpy()
    expected = np.round((np.clip(x1, -1, 1) + 1) * 127.5)
    assert_equal(page.gray("#inverted figure:nth-child(3) canvas"), expected, 1)
    error = np.abs(expected - image).mean()
    assert abs(float(page.text("#error-of-picture").split()[4]) - error) < 0.2
    slider = "document.querySelector('#own .player input')"
    page.js(f"{slider}.value = {slider}.max; {slider}.dispatchEvent(new Event('input'))")
    assert_equal(page.gray("#own .player canvas"), generate(signatures, 5), 1)


@pytest.mark.slow
def test_a_model_with_autoguidance_says_that_inversion_is_rough(chromium, server, autoguided):
    rough = "document.getElementById('rough')"
    page = Page(chromium, server, PHONE)
    assert page.js(f"{rough}.hidden")
    page = Page(chromium, autoguided, PHONE)
    assert not page.js(f"{rough}.hidden")
    assert page.js(f"{rough}.offsetHeight") > 0
    assert page.js("document.documentElement.scrollWidth") <= PHONE
    assert page.js(LEAST_CONTRAST) >= READABLE
    text = page.text("#rough")
    (setting,) = re.findall(r"--set (\S+)", text)
    assert load(overrides=[setting]).sample.autoguidance == 1
    assert "needs no training" in text
    page.assert_quiet()


def test_downloads_are_marked_png_files(chromium, server, signatures):
    page = Page(chromium, server)
    page.js(CATCH)
    page.press("#large .player button:nth-child(2)")
    page.until("window.saved.length === 1")
    assert page.js("window.saved[0]") == "seed-0.png"
    with Image.open(io.BytesIO(base64.b64decode(page.js(SAVED)))) as file:
        assert "trainedAlgorithmicMedia" in file.info["XML:com.adobe.xmp"]
        assert_equal(np.array(file.convert("L"))[..., None], generate(signatures, 0), 1)
    assert page.js("window.revoked") == []  # a browser may ask first where to save a file
    page.press("#save-grid")
    page.until("window.saved.length === 2")
    with Image.open(io.BytesIO(base64.b64decode(page.js(SAVED)))) as file:
        assert file.size == (32, 32)


def test_what_plays_goes_forth_and_back_until_it_is_touched(chromium, server):
    page = Page(chromium, server)
    slider = "document.querySelector('#large input')"
    page.press("#large .player button")
    page.js(f"window.seen = []; {slider}.value = 2")
    page.js("""
        const caption = document.querySelector('#large output');
        const record = () => window.seen.push(caption.textContent.split(' ')[1]);
        new MutationObserver(record).observe(caption, { childList: true });
    """)
    page.until("window.seen.length > 7")
    assert "".join(page.js("window.seen")).startswith("32101232")
    assert page.text("#large .player button") == "Pause"
    page.js(f"{slider}.value = 1; {slider}.dispatchEvent(new Event('input'))")
    assert page.text("#large .player button") == "Play"
    assert page.text("#large output") == "after 1 of 3 steps"


def test_an_animation_has_every_frame_and_is_marked(chromium, server, signatures):
    page = Page(chromium, server)
    page.js(CATCH)
    page.set(**{"from": 2, "to": 6})
    page.press("#walk-form button")
    page.press("#walk .player button:last-child")
    page.until("window.saved.length === 1")
    assert page.js("window.saved[0]") == "animated-walk-2-6.png"
    with Image.open(io.BytesIO(base64.b64decode(page.js(SAVED)))) as file:
        assert "trainedAlgorithmicMedia" in file.info["XML:com.adobe.xmp"]
        assert file.n_frames == 9
        assert file.info["loop"] == 0
        for frame, seed in ((0, 2), (8, 6)):
            file.seek(frame)
            shown = np.array(file.convert("L"))[..., None]
            assert_equal(shown, generate(signatures, seed), 1)


def test_a_link_keeps_the_settings(chromium, conditional):
    page = Page(chromium, conditional)
    page.set(seed=41, count=3, steps=5, label="7", solver="heun", guidance="2.5")
    page.press("#go")
    link = page.js("location.hash")
    shown = page.gray("#grid button:nth-child(3) canvas")
    page = Page(chromium, conditional, link=link)
    assert_equal(page.gray("#grid button:nth-child(3) canvas"), shown)
    assert page.js("document.querySelectorAll('#grid canvas').length") == 3
    page.js("location.hash = '#seed=5&count=2'")
    page.until("document.querySelectorAll('#grid canvas').length === 2")
    page.until("document.getElementById('status').textContent === ''")
    assert page.text("#large-title") == "Seed 5, 7"
    page.assert_quiet()


def test_what_does_not_fit_in_a_link_is_left_out(chromium, conditional):
    link = "#seed=x&count=1e9&steps=-1&solver=<b>&guidance=NaN&label=../&from=2&__proto__=1"
    page = Page(chromium, conditional, link=link)
    assert page.problem() == ""
    assert page.js("document.querySelectorAll('#grid canvas').length") == 16
    assert page.js("document.getElementById('solver').value") == "euler"
    page.assert_quiet()


@pytest.mark.parametrize(
    ("event", "content"), [("Drag", "dataTransfer"), ("Clipboard", "clipboardData")]
)
def test_a_picture_is_dropped_or_pasted(chromium, server, signatures, event, content):
    page = Page(chromium, server)
    kind = {"Drag": "drop", "Clipboard": "paste"}[event]
    page.js(f"""(async () => {{
        const data = new DataTransfer();
        const canvas = document.querySelector('#large canvas');
        const blob = await new Promise(done => canvas.toBlob(done));
        data.items.add(new File([blob], 'mine.png', {{ type: 'image/png' }}));
        const event = new {event}Event('{kind}', {{ {content}: data, bubbles: true }});
        document.body.dispatchEvent(event);
    }})()""")
    page.until("!document.getElementById('inverted').hidden")
    page.until("document.getElementById('status').textContent === ''")
    assert page.problem() == ""
    assert_equal(page.gray("#inverted figure:nth-child(1) canvas"), generate(signatures, 0), 1)


def test_wrong_values_and_missing_pictures_are_explained(chromium, server):
    page = Page(chromium, server)
    for values, text in (
        ({"count": 0}, "Images: expected a whole number, 1 to 256."),
        ({"count": 4, "seed": "1.5"}, SEEDS),
        ({"seed": "", "count": 4}, SEEDS),
        ({"seed": 2**53 - 1}, SEEDS),  # the page could not tell the next ones apart
    ):
        page.set(**values)
        page.js("document.getElementById('draw').noValidate = true")
        page.press("#go")
        assert page.problem() == text
    page.press("#own-form button")
    assert page.problem() == "Choose a picture first."


def test_hostile_classes_are_text_and_choose_the_image(chromium, hostile):
    page = Page(chromium, hostile, PHONE)
    options = "[...document.getElementById('label').options]"
    assert page.js(f"{options}.map(option => option.value)") == ["\0", "", *HOSTILE]
    texts = [name if len(name) <= 60 else name[:59] + "…" for name in HOSTILE]
    assert page.js(f"{options}.map(option => option.textContent)") == [
        "each in turn",
        "any",
        *texts,
    ]
    page.set(count=1)
    shown = [page.gray("#grid canvas")]
    for label in ("", *HOSTILE):
        page.set(label=label)
        page.press("#go")
        assert page.problem() == ""
        shown.append(page.gray("#grid canvas"))
        assert np.any(shown[-1] != shown[-2])
    elements = "document.querySelectorAll('img, iframe, object, svg, body script, [onclick]')"
    assert page.js(f"{elements}.length") == 0
    assert page.js("document.documentElement.scrollWidth") <= PHONE
    page.assert_quiet()


def test_classes_are_drawn_in_turn_until_one_is_chosen(chromium, conditional):
    page = Page(chromium, conditional)
    page.set(seed=-1, count=3)
    page.press("#go")
    assert page.problem() == ""
    for i, seed in enumerate(range(-1, 2)):
        label = LABELS[seed % len(LABELS)]
        inputs = {
            "seed": np.array([seed]),
            "nb_step": np.array(3, np.int32),
            "label": np.array([label.encode()], object),
        }
        expected = conditional.live.current.call("generate", inputs)["image"][0]
        cell = f"#grid button:nth-child({i + 1})"
        assert_equal(page.gray(f"{cell} canvas"), expected, 1)
        page.press(cell)
        assert page.text("#large-title") == f"Seed {seed}, {label}"
    page.set(label="")
    page.press("#go")
    assert page.text("#large-title") == "Seed -1"


@pytest.mark.slow
def test_a_model_that_translates_is_given_a_picture(chromium, translating, tmp_path):
    server = translating
    picture = tmp_path / "picture.png"
    colors = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(colors).save(picture)
    page = Page(chromium, server)
    for absent in ("walk", "own", "walk-from"):
        assert page.js(f"document.getElementById('{absent}').hidden"), absent
    page.press("#go")
    assert page.problem() == "Choose a picture first."
    page.choose("#picture", picture)
    page.set(seed=5, count=2)
    page.press("#go")
    assert page.problem() == ""
    page.press("#grid button:nth-child(2)")
    assert page.text("#large-title") == "Seed 6"
    files = {"image_bytes": np.array([picture.read_bytes()] * 2, object)}
    version = server.live.current
    answers = version.call("serving_default", {**files, "seed": np.array([5, 6])})["image_bytes"]
    answer = tf.io.decode_png(answers[1]).numpy()[..., :1]
    assert_equal(page.gray("#grid button:nth-child(2) canvas"), answer, 1)
    assert_equal(page.gray("#large canvas"), answer, 1)
    page.choose("#picture", __file__)
    page.press("#go")
    assert "neither a PNG nor a JPEG file" in page.problem()


@pytest.mark.slow
def test_a_picture_is_fitted_as_the_images_of_the_training_were(chromium, sampler, tmp_path):
    version = shutil.copytree(sampler, tmp_path / "serving" / "1")
    about = json.loads((version / METADATA).read_text())
    about["conversion"] = {"fit": "pad", "background": "#000000"}
    (version / METADATA).write_text(json.dumps(about))
    white = np.full((4, 8, 4), 255, np.uint8)
    white[:, :3, 3] = 0  # transparent
    Image.fromarray(white).save(tmp_path / "icon.png")
    with RunningServer(tmp_path / "serving") as running:
        running.wait_for(1)
        page = Page(chromium, running)
        page.choose("#own-picture", tmp_path / "icon.png")
        page.press("#own-form button")
        assert page.problem() == ""
        expected = np.zeros((8, 8, 1), np.uint8)
        expected[2:6, 3:] = 255
        assert_equal(page.gray("#inverted figure:nth-child(1) canvas"), expected)


@pytest.mark.slow
def test_a_student_of_fixed_steps_draws_and_offers_neither_solvers_nor_the_way_back(
    chromium, tmp_path
):
    write_sampler(tmp_path / "1", fixed_steps=True, nb_step=1)
    with RunningServer(tmp_path) as running:
        running.wait_for(1)
        page = Page(chromium, running)
        shown = {
            name: not page.js(f"document.getElementById('{name}').hidden")
            for name in ("walk", "own", "solver-field")
        }
        assert shown == {"walk": True, "own": False, "solver-field": False}
        assert page.js("document.getElementById('steps').closest('label').hidden")
        page.set(seed=3, count=1)
        page.press("#go")
        inputs = {"seed": np.array([3]), "nb_step": np.array(1, np.int32)}
        (expected,) = running.live.current.call("generate", inputs)["image"]
        assert_equal(page.gray("#grid canvas"), expected, 1)


@pytest.mark.slow
def test_another_model_that_goes_live_is_shown_with_its_own_settings(chromium, tmp_path):
    write_sampler(tmp_path / "1", fixed_steps=True, nb_step=1)
    write_sampler(tmp_path / "hidden", labels=LABELS, guidance=2.0, nb_step=4)
    with RunningServer(tmp_path) as running:
        running.wait_for(1)
        page = Page(chromium, running)
        (tmp_path / "hidden").rename(tmp_path / "2")
        running.wait_for(2)
        page.press("#go")
        assert page.problem() == "Version 2 is live now, and the page shows it. Try again."
        values = [page.js(f"document.getElementById('{id}').value") for id in ("steps", "guidance")]
        assert values == ["4", "2"]
        page.set(seed=3, count=1, label="7")
        page.press("#go")
        assert page.problem() == ""
        inputs = {"seed": np.array([3]), "nb_step": np.array(4, np.int32)}
        inputs["label"] = np.array([b"7"], object)
        (expected,) = running.live.current.call("generate", inputs)["image"]
        assert_equal(page.gray("#grid canvas"), expected, 1)


@pytest.mark.slow
def test_a_page_that_is_opened_before_there_is_a_model_waits_for_it(chromium, tmp_path):
    write_sampler(tmp_path / "hidden", nb_step=1)
    with RunningServer(tmp_path) as running:
        page = Page(chromium, running)
        assert "no model" in page.problem()
        (tmp_path / "hidden").rename(tmp_path / "1")
        page.until("document.querySelector('#grid canvas') !== null")
        page.until("document.getElementById('status').textContent === ''")
        assert page.problem() == ""


@pytest.mark.slow
def test_a_slider_goes_from_a_source_to_its_result(chromium, tmp_path):
    write_translator(tmp_path / "1", Source(degrade="gray", use="map"), (8, 8, 3))
    picture = tmp_path / "picture.png"
    colors = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(colors).save(picture)
    with RunningServer(tmp_path) as server:
        server.wait_for(1)
        page = Page(chromium, server)
        assert page.js("document.getElementById('seed').closest('label').hidden")
        page.choose("#picture", picture)
        page.set(steps=4, solver="midpoint")
        page.press("#go")
        assert page.problem() == ""
        version = server.live.current
        files = np.array([picture.read_bytes()], object)
        source = version.call("read_source", {"image_bytes": files})["source"]
        inputs = {"nb_step": np.array(4, np.int32), "solver": np.array(b"midpoint", object)}
        states = version.call("trajectory", {"source": source, **inputs})["trajectory"][0]
        assert_equal(page.gray("#large canvas"), states[4][..., :1], 1)
        slider = "document.querySelector('#large .player input')"
        page.js(f"{slider}.value = 0; {slider}.dispatchEvent(new Event('input'))")
        assert_equal(page.gray("#large canvas"), source[0, ..., :1])
        assert page.text("#large output") == "after 0 of 4 steps"
        page.assert_quiet()


def test_a_token_is_asked_for(chromium, versions):
    with RunningServer(versions, token="secret") as server:
        server.wait_for(7)
        page = Page(chromium, server)
        assert page.js("document.getElementById('access').hidden") is False
        assert page.problem() == "This server asks for a token."
        page.set(token="guess")
        page.press("#access button")
        assert page.problem() == "This token is wrong."
        page.set(token="secret")
        page.press("#access button")
        assert "version 7" in page.text("#model")
        page.js("sessionStorage.clear()")


def test_the_keys_reach_every_control(chromium, server):
    page = Page(chromium, server)
    seen = set()
    for _ in range(40):
        for kind in ("keyDown", "keyUp"):
            chromium.call(
                "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
            )
        seen.add(page.js("document.activeElement.id || document.activeElement.textContent"))
    keys = {"seed", "surprise", "count", "steps", "solver", "Draw", "walk-from", "own-picture"}
    assert keys <= seen | {page.text("#go") if "go" in seen else ""}
