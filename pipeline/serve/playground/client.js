// A client of TensorFlow Serving's REST, as far as the page needs it.

let token = sessionStorage.getItem("token");
let requests = new AbortController();

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export function setToken(value) {
  token = value;
  sessionStorage.setItem("token", value);
}

// Ends the requests in progress; the server ends its work for them.
export function stop() {
  requests.abort();
  requests = new AbortController();
}

export const hasToken = () => Boolean(token);

// The answer to a request; an error is thrown with the message of the server.
export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, signal: requests.signal });
  } catch (error) {
    throw new Refused(error.name === "AbortError" ? "Stopped." : "The server does not answer.", 0);
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({ error: `error ${answer.status}` }));
  const wait = answer.headers.get("Retry-After");
  throw new Refused(wait ? `${error} (try again in ${wait} s)` : error, answer.status);
}

// Calls a signature of a version; returns its one output in nested lists.
export async function predict(model, version, signature, inputs) {
  const body = JSON.stringify({ signature_name: signature, inputs });
  const answer = await ask(`/v1/models/${model}/versions/${version}:predict`, { method: "POST", body });
  return (await answer.json()).outputs;
}

// The content of a file as JSON takes it.
export async function encoded(file) {
  const reader = new FileReader();
  await new Promise((resolve, reject) => {
    Object.assign(reader, { onload: resolve, onerror: () => reject(reader.error) });
    reader.readAsDataURL(file);
  });
  return { b64: reader.result.slice(reader.result.indexOf(",") + 1) };
}

// The numbers of nested lists.
export const flat = (lists, type = Uint8Array) => type.from(lists.flat(Infinity));

// Numbers in nested lists.
export function nested(values, [size, ...rest]) {
  if (!rest.length) return [...values];
  const part = values.length / size;
  return Array.from({ length: size }, (_, i) => nested(values.subarray(i * part, (i + 1) * part), rest));
}
