// Images as arrays of the model, [height, width, channels], on canvases and in files.

const HEADER = 33; // bytes of a PNG before its second chunk
const KEPT = 60_000; // milliseconds that a file is kept for a browser which asks where to save it

// A canvas with an image of uint8 values.
export function paint(values, [height, width, channels]) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * pixel + channel] = values[channels * pixel + (channels < 3 ? 0 : channel)];
    }
    image.data[4 * pixel + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// The rows of an output, each as an array of its own.
export function rows(values, count) {
  const size = values.length / count;
  return Array.from({ length: count }, (_, row) => values.subarray(row * size, (row + 1) * size));
}

// Floats, -1 to 1, as uint8.
export const toUint8 = values => Uint8Array.from(values, value =>
  Math.round((Math.min(Math.max(value, -1), 1) + 1) * 127.5));

// Reads a picture as the model sees it, uint8: on its background, resized, and cropped or padded.
export async function readPicture(file, { shape: [height, width, channels], fit, background }) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This file is not a picture that the browser can read.");
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = background;
  context.fillRect(0, 0, width, height);
  const fill = fit === "pad" ? Math.min : Math.max;
  const scale = fill(width / bitmap.width, height / bitmap.height);
  let [across, down] = [bitmap.width * scale, bitmap.height * scale];
  let [left, top] = [(width - across) / 2, (height - down) / 2];
  if (fit === "pad") { // whole pixels, or the bars would blend with the picture
    [across, down] = [across, down].map(side => Math.max(Math.round(side), 1));
    [left, top] = [Math.floor((width - across) / 2), Math.floor((height - down) / 2)];
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, left, top, across, down);
  const rgba = context.getImageData(0, 0, width, height).data;
  const values = new Uint8Array(height * width * channels);
  for (let pixel = 0; pixel < height * width; pixel++) {
    const [red, green, blue] = rgba.subarray(4 * pixel, 4 * pixel + 3);
    if (channels === 1) values[pixel] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    else values.set([red, green, blue], channels * pixel);
  }
  return values;
}

// On the great circle between two noises, as far from the origin as they are.
export function slerp(from, to, share) {
  let dot = 0, squareFrom = 0, squareTo = 0;
  for (let i = 0; i < from.length; i++) {
    dot += from[i] * to[i];
    squareFrom += from[i] ** 2;
    squareTo += to[i] ** 2;
  }
  const angle = Math.acos(Math.min(Math.max(dot / Math.sqrt(squareFrom * squareTo || 1), -1), 1));
  const sine = Math.sin(angle);
  const [a, b] = sine < 1e-4
    ? [1 - share, share]
    : [Math.sin((1 - share) * angle) / sine, Math.sin(share * angle) / sine];
  return from.map((value, i) => a * value + b * to[i]);
}

// Saves canvases side by side as a PNG file that says that a model made it.
export async function save(canvases, name, mark) {
  const [{ width, height }] = canvases;
  const columns = Math.ceil(Math.sqrt(canvases.length));
  const whole = document.createElement("canvas");
  whole.width = columns * width;
  whole.height = Math.ceil(canvases.length / columns) * height;
  const context = whole.getContext("2d");
  canvases.forEach((canvas, i) =>
    context.drawImage(canvas, (i % columns) * width, Math.floor(i / columns) * height));
  const png = await encode(whole);
  download([png.subarray(0, HEADER), marked(mark), png.subarray(HEADER)], name);
}

// Saves canvases as the frames of a looping animated PNG file, of which browsers lose nothing.
// https://www.w3.org/TR/png-3/#apng-frame-based-animation
export async function saveAnimation(canvases, milliseconds, name, mark) {
  const [{ width, height }] = canvases;
  const pngs = await Promise.all(canvases.map(encode));
  const parts = [pngs[0].subarray(0, HEADER), marked(mark), chunk("acTL", numbers(pngs.length, 0))];
  let number = 0; // in the order of all chunks of frames
  pngs.forEach((png, i) => {
    const delay = Uint8Array.of(milliseconds >> 8, milliseconds & 255, 1000 >> 8, 1000 & 255, 0, 0);
    parts.push(chunk("fcTL", numbers(number++, width, height, 0, 0), delay));
    for (const data of contents(png, "IDAT")) {
      parts.push(i ? chunk("fdAT", numbers(number++), data) : chunk("IDAT", data));
    }
  });
  download([...parts, chunk("IEND")], name);
}

const encode = async canvas => {
  const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/png"));
  return new Uint8Array(await blob.arrayBuffer());
};

const marked = mark => Uint8Array.from(atob(mark), character => character.charCodeAt(0));

// Numbers of four bytes, as PNG has them.
function numbers(...values) {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return new Uint8Array(view.buffer);
}

// The contents of the chunks of a type.
function contents(png, type) {
  const view = new DataView(png.buffer, png.byteOffset);
  const found = [];
  for (let place = 8; place < png.length; place += 12 + view.getUint32(place)) {
    const content = png.subarray(place + 8, place + 8 + view.getUint32(place));
    if (String.fromCharCode(...png.subarray(place + 4, place + 8)) === type) found.push(content);
  }
  return found;
}

// A chunk of a PNG file: its length, type, content and CRC-32.
function chunk(type, ...parts) {
  const content = [...type].map(letter => letter.charCodeAt(0));
  for (const part of parts) for (const byte of part) content.push(byte);
  let crc = -1;
  for (const byte of content) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return Uint8Array.of(...numbers(content.length - 4), ...content, ...numbers(~crc));
}

function download(parts, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: "image/png" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}
