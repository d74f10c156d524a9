// The page: reads its controls, asks for images and shows them. Names are text, never markup.

import { ask, encoded, flat, hasToken, nested, predict, setToken, stop } from "./client.js";
import { paint, readPicture, rows, save, slerp, toUint8 } from "./pixels.js";
import { make, player } from "./player.js";

const FRAMES = 9; // of a walk
const PART = 16; // images of a request, which are shown while the next ones are drawn
const CLASS_LENGTH = 60; // characters of a class that are shown
const MAX_SEED = 2 ** 32;
const RETRY_MS = 2000; // while no model is loaded
const SHARED = ["seed", "count", "steps", "solver", "guidance", "label"]; // controls in a link
const IN_TURN = "\0"; // the name of no class
const $ = id => document.getElementById(id);

let about; // what the server says about the live model
let drawn = { canvases: [], mark: null }; // the grid, and the mark of the model that drew it
let chosen = null; // seed of the large image

const short = text => (text.length > CLASS_LENGTH ? `${text.slice(0, CLASS_LENGTH - 1)}…` : text);
// The number in a control; NaN if it is none, or not one that the control allows.
const read = id => {
  const { valueAsNumber: value, min, max, step } = $(id);
  const fits = step === "any" ? Number.isFinite(value) : Number.isSafeInteger(value);
  return fits && !(min && value < min) && !(max && value > max) ? value : NaN;
};
const number = id => {
  const value = read(id);
  if (!Number.isNaN(value)) return value;
  const { min, max, step } = $(id);
  const name = $(id).closest("label").firstChild.textContent.trim();
  const limits = max ? `, ${min} to ${max}` : "";
  throw new Error(`${name}: expected a ${step === "any" ? "" : "whole "}number${limits}.`);
};
const seeded = () => about.inputs.includes("seed");
const guided = () => about.solvers.length > 0 && about.labels.length > 0;
const labels = names => (about.labels.length ? { label: names } : {});
const size = () => about.shape.reduce((product, side) => product * side);
const range = (start, count) => Array.from({ length: count }, (_, i) => start + i);

// The class of a seed, empty for any, as without a seed where classes are drawn in turn.
function label(seed) {
  const selected = $("label").value;
  if (selected !== IN_TURN) return selected;
  return seed === undefined ? "" : about.labels.at(seed % about.labels.length);
}

function title(seed) {
  if (!seeded()) return "Result";
  const name = about.labels.length ? label(seed) : "";
  return name ? `Seed ${seed}, ${short(name)}` : `Seed ${seed}`;
}

// Runs an action once at a time; says what it does, and what went wrong.
async function act(text, action) {
  const enable = enabled => document
    .querySelectorAll("form button, form input, form select, section button")
    .forEach(each => { each.disabled = !enabled; });
  const before = document.activeElement;
  $("problem").hidden = true;
  $("stop").hidden = false;
  $("status").textContent = text;
  enable(false);
  try {
    await action();
  } catch (error) {
    const refused = error.status === 401;
    $("problem").textContent = !refused ? error.message : hasToken() ? "This token is wrong." : "This server asks for a token.";
    $("problem").hidden = false;
    if (refused) $("access").hidden = false;
  } finally {
    enable(true);
    $("status").textContent = "";
    $("stop").hidden = true;
    if (document.activeElement === document.body) before?.focus();
  }
}

// Asks the model that the page shows; if it is not live any more, the page shows the one that is.
async function call(signature, inputs) {
  const shown = about.version;
  try {
    return await predict(about.name, shown, signature, inputs);
  } catch (error) {
    if (error.status !== 404) throw error;
    await describe();
    if (about.version === shown) throw error;
    throw new Error(`Version ${about.version} is live now, and the page shows it. Try again.`);
  }
}

async function describe() {
  const before = about;
  about = await (await ask("/playground/model")).json();
  if (before) forget(before);
  const verdict = make("span", about.verdict ?? "verdict unknown");
  verdict.className = { blessed: "good", promoted: "good", "not blessed": "bad", withdrawn: "bad" }[about.verdict] ?? "quiet";
  const sign = { blessed: "✓ ", promoted: "▲ ", "not blessed": "✗ ", withdrawn: "□ " }[about.verdict] ?? "";
  verdict.prepend(sign);
  const parts = [`${about.name}, version ${about.version}: `, verdict];
  if (!hasToken()) for (const [name, href] of Object.entries(about.links)) parts.push(" · ", make("a", name, { href }));
  $("model").replaceChildren(...parts);
  const [height, width, channels] = about.shape;
  const facts = {
    Images: `${width}x${height}, ${channels === 1 ? "gray" : "color"}`,
    Solver: `${about.solver}, ${about.nb_step} steps (${about.grid})${about.fixed_steps ? "" : " by default"}`,
    Guidance: about.labels.length ? String(about.guidance) : "none: the model has no classes",
    ...(about.autoguidance === 1 ? {} : { Autoguidance: String(about.autoguidance) }),
    Limits: `${about.images} images, ${about.most_steps} steps, ${about.states} images times steps`,
    Verdict: about.reason || "not recorded here",
    ...Object.fromEntries(Object.entries(about.metrics).map(([name, value]) => [name, value.toPrecision(4)])),
    Folder: about.folder,
  };
  $("facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
  offer();
}

// Empties the controls that still have the defaults of the model before.
function forget(before) {
  for (const [id, key] of [["steps", "nb_step"], ["solver", "solver"], ["guidance", "guidance"]]) {
    if ($(id).value === String(before[key])) $(id).value = "";
  }
}

// Shows the controls that the model has.
function offer() {
  const translates = about.source !== null;
  $("picture-field").hidden = !translates;
  $("seed").closest("label").hidden = $("surprise").hidden = !seeded();
  $("count").closest("label").hidden = !seeded();
  $("go").textContent = translates ? "Translate" : "Draw";
  $("count").max = Math.min(about.images, Math.floor(about.values / size()));
  $("steps").closest("label").hidden = about.fixed_steps;
  $("steps").max = about.most_steps;
  if (about.fixed_steps || !$("steps").value) $("steps").value = about.nb_step;
  if (translates && $("count").value === "16") $("count").value = 4;
  $("solver-field").hidden = !about.solvers.length;
  fill("solver", about.solvers.map(name => make("option", name)), about.solver);
  $("guidance-field").hidden = !guided();
  if (!$("guidance").value) $("guidance").value = about.guidance;
  $("label-field").hidden = !about.labels.length;
  const any = make("option", "any", { value: "" });
  const turns = about.source ? [] : [make("option", "each in turn", { value: IN_TURN })];
  fill("label", [...turns, any, ...about.labels.map(name => make("option", short(name), { value: name }))], turns.length ? IN_TURN : "");
  for (const id of ["about", "draw"]) $(id).hidden = false;
  for (const id of ["walk", "walk-from", "walk-to"]) $(id).hidden = translates;
  $("own").hidden = translates || !about.signatures.includes("invert");
  $("rough").hidden = about.autoguidance === 1;
}

// Replaces the options of a list, and keeps what is selected if it is still there.
function fill(id, options, fallback) {
  const kept = $(id).selectedIndex < 0 ? null : $(id).value;
  $(id).replaceChildren(...options);
  $(id).value = options.some(each => each.value === kept) ? kept : fallback;
}

// The steps, and the solver and guidance where others are chosen than the model's own.
function solving(nbStep = number("steps")) {
  const inputs = { nb_step: nbStep };
  const solver = $("solver").value;
  if (about.solvers.length && solver !== about.solver) inputs.solver = solver;
  if (guided() && number("guidance") !== about.guidance) inputs.guidance = number("guidance");
  return inputs;
}

// What images begin with: the source, for a model that translates, seeds and classes.
const beginning = (seeds, source) => ({
  ...(source && { source }), // one for all seeds
  ...(seeded() && { seed: seeds }),
  ...labels(seeds.map(label)),
});

const drawing = source => (source ? "translate" : "generate");

async function draw() {
  const source = about.source ? await readSource() : null;
  const seeds = range(seeded() ? number("seed") : 0, seeded() ? number("count") : 1);
  const how = solving();
  for (let begin = 0; begin < seeds.length; begin += PART) {
    const part = seeds.slice(begin, begin + PART);
    if (begin) $("status").textContent = `${begin} of ${seeds.length} images are drawn …`;
    const images = await call(drawing(source), { ...beginning(part, source), ...how });
    if (!begin) drawn = { canvases: [], mark: about.mark };
    show(images.map(each => flat(each)), part, seed => act("Following the path …", () => enlarge(seed, source)));
  }
  await enlarge(seeds[0], source);
  history.replaceState(null, "", link());
}

// The link to the page as it is set, without what the model does not have.
function link() {
  const shown = SHARED.filter(id => !$(id).closest("label").hidden && $(id).value !== IN_TURN);
  return `#${new URLSearchParams(shown.map(id => [id, $(id).value]))}`;
}

// Sets the controls as a link says; what does not fit the model is left out.
function follow(address) {
  const values = new URLSearchParams(address.slice(1));
  for (const id of SHARED.filter(each => values.has(each))) {
    const before = $(id).value;
    $(id).value = values.get(id);
    const fits = $(id).type === "number" ? !Number.isNaN(read(id)) : $(id).selectedIndex >= 0;
    if (!fits) $(id).value = before;
  }
}

// What the model sees of the chosen picture.
async function readSource() {
  const picture = $("picture").files[0];
  if (!picture) throw new Error("Choose a picture first.");
  return call("read_source", { image_bytes: [await encoded(picture)] });
}

// Shows images in the grid, after those of this drawing; a click on one selects its seed.
function show(images, seeds, select) {
  if (!drawn.canvases.length) $("grid").replaceChildren();
  const canvases = images.map(each => paint(each, about.shape));
  drawn.canvases.push(...canvases);
  $("grid").append(...canvases.map((canvas, i) => {
    const button = make("button", "", { type: "button", disabled: true }); // until all are drawn
    button.dataset.seed = seeds[i];
    button.setAttribute("aria-label", title(seeds[i]));
    button.append(canvas);
    button.addEventListener("click", () => select(seeds[i]));
    return button;
  }));
  $("drawn").hidden = false;
}

function press(seed) {
  for (const each of $("grid").children) each.setAttribute("aria-pressed", String(Number(each.dataset.seed) === seed));
}

// Shows an image large, with its path from noise or from its source.
async function enlarge(seed, source) {
  const nbStep = Math.min(number("steps"), about.states);
  const inputs = { ...beginning([seed], source), ...solving(nbStep) };
  const fits = (nbStep + 1) * size() <= about.values; // else the image is shown without its path
  const states = fits ? (await call("trajectory", inputs))[0] : await call(drawing(source), inputs);
  chosen = seed;
  $("large-title").textContent = title(seed);
  const text = state => `after ${fits ? state : nbStep} of ${nbStep} steps`;
  player($("large"), states.map(each => flat(each)), text, `${source ? "translated" : "seed"}-${seed}.png`, about, states.length - 1);
  press(seed);
}

async function noise(seeds) {
  const answer = await ask(`/playground/noise?seeds=${seeds.join(",")}`);
  return rows(new Float32Array(await answer.arrayBuffer()), seeds.length);
}

// The images of noises, each uint8, of one class.
async function transport(noises, name) {
  const x0 = noises.map(each => nested(each, about.shape));
  const x1 = await call("transport", { x0, ...solving(), ...labels(noises.map(() => name)) });
  return x1.map(each => toUint8(flat(each, Float32Array)));
}

const between = (from, to) => range(0, FRAMES).map(i => slerp(from, to, i / (FRAMES - 1)));
const percent = frame => Math.round((100 * frame) / (FRAMES - 1));

async function walk() {
  const seeds = [number("from"), number("to")];
  const name = label(seeds.includes(chosen) ? chosen : seeds[0]); // so that the large image is an end
  const images = await transport(between(...await noise(seeds)), name);
  const way = `seed ${seeds[0]} to seed ${seeds[1]}${about.labels.length && name ? `, ${short(name)}` : ""}`;
  player($("walk"), images, frame => `${percent(frame)} % of the way from ${way}`, `walk-${seeds.join("-")}.png`, about);
}

async function invert() {
  const file = $("own-picture").files[0];
  if (!file) throw new Error("Choose a picture first.");
  const seed = number("mix");
  const picture = await readPicture(file, about);
  const image = [nested(picture, about.shape)];
  const x0 = flat(await call("invert", { image, ...solving(), ...labels([label()]) }), Float32Array);
  const [other] = await noise([seed]);
  const images = await transport(between(x0, other), label());
  const errors = picture.map((value, i) => Math.abs(value - images[0][i]));
  const mean = errors.reduce((sum, value) => sum + value, 0) / errors.length;
  const most = errors.reduce((found, value) => Math.max(found, value), 0);
  const shown = { "Your picture": picture, "Its noise": toUint8(x0.map(value => value / 3)), "Reconstruction": images[0] };
  $("inverted").replaceChildren(...Object.entries(shown).map(([name, values]) => {
    const figure = make("figure");
    figure.append(paint(values, about.shape), make("figcaption", name));
    return figure;
  }));
  $("inverted").hidden = false;
  $("error-of-picture").textContent =
    `Error of the reconstruction: ${mean.toFixed(1)} gray levels of 255 on average, ${most} at most.`;
  player($("own"), images, frame => `${percent(frame)} % of the way to seed ${seed}`, `mixed-with-${seed}.png`, about);
}

// Takes a picture that was dropped or pasted.
function take(files) {
  const [input, form] = about?.source ? ["picture", "draw"] : ["own-picture", "own-form"];
  if (!about || $(form).closest("[hidden]") || $("go").disabled) return;
  const list = new DataTransfer();
  list.items.add(files[0]);
  $(input).files = list.files;
  $(form).requestSubmit();
}

function on(form, text, action) {
  $(form).addEventListener("submit", event => {
    event.preventDefault();
    act(text, action);
  });
}

on("draw", "Drawing …", draw);
on("walk-form", "Walking …", walk);
on("own-form", "Inverting …", invert);
on("access", "Asking …", async () => {
  setToken($("token").value);
  $("access").hidden = true;
  await begin();
});
$("surprise").addEventListener("click", () => {
  $("seed").value = Math.floor(Math.random() * MAX_SEED);
  $("draw").requestSubmit();
});
$("stop").addEventListener("click", stop);
for (const [name, content] of [["drop", "dataTransfer"], ["paste", "clipboardData"]]) {
  document.addEventListener(name, event => {
    if (!event[content].files.length) return; // text, for a control
    event.preventDefault();
    take(event[content].files);
  });
}
document.addEventListener("dragover", event => event.preventDefault()); // else nothing is dropped
window.addEventListener("hashchange", () => {
  if (!about || $("go").disabled) return;
  follow(location.hash);
  if (!about.source) $("draw").requestSubmit();
});
$("save-grid").addEventListener("click", () => save(drawn.canvases, "images.png", drawn.mark));
$("walk-from").addEventListener("click", () => { $("from").value = chosen; $("walk-form").requestSubmit(); });
$("walk-to").addEventListener("click", () => { $("to").value = chosen; $("walk-form").requestSubmit(); });

// A server that has just been started loads its model first, and one may have none yet.
async function begin() {
  try {
    await describe();
  } catch (error) {
    if (error.status === 503) setTimeout(start, RETRY_MS);
    throw error;
  }
  follow(location.hash);
  if (!about.source) await draw();
}

function start() {
  act("Asking which model is live …", begin);
}

start();
