// Images behind a slider, which play and can be saved.

import { paint, save, saveAnimation } from "./pixels.js";

const FRAME_MS = 120; // of what plays, and of animations

export const make = (tag, text = "", properties = {}) =>
  Object.assign(document.createElement(tag), { textContent: text, ...properties });

// Images behind a slider, which play forth and back.
export function player(section, images, text, file, { shape, mark }, first = 0) {
  const frame = make("div", "", { className: "frame" });
  const slider = make("input", "", { type: "range", min: 0, max: images.length - 1, value: first });
  slider.setAttribute("aria-label", "Position");
  const caption = make("output");
  const button = make("button", "Download as PNG", { type: "button" });
  const play = make("button", "Play", { type: "button" });
  const animation = make("button", "Download as animation", { type: "button" });
  slider.hidden = play.hidden = animation.hidden = images.length === 1;
  const turn = () => {
    frame.replaceChildren(paint(images[slider.value], shape));
    caption.textContent = text(Number(slider.value));
    slider.setAttribute("aria-valuetext", caption.textContent);
  };
  let timer, step = 1;
  const pause = () => {
    clearInterval(timer);
    timer = undefined;
    play.textContent = "Play";
  };
  const move = () => {
    if (!slider.isConnected) return pause(); // other images are shown
    const position = Number(slider.value);
    if (position + step < 0 || position + step >= images.length) step = -step;
    slider.value = position + step;
    turn();
  };
  slider.addEventListener("input", () => { pause(); turn(); });
  play.addEventListener("click", () => {
    if (timer) return pause();
    timer = setInterval(move, FRAME_MS);
    play.textContent = "Pause";
  });
  button.addEventListener("click", () => save([...frame.children], file, mark));
  animation.addEventListener("click", () =>
    saveAnimation(images.map(each => paint(each, shape)), FRAME_MS, `animated-${file}`, mark));
  turn();
  const line = make("p");
  line.append(play, " ", button, " ", animation);
  section.querySelector(".player").replaceChildren(frame, slider, caption, line);
  section.hidden = false;
}
