// A client of the Open Inference Protocol with binary tensors, as far as the page needs it.

const LENGTH = "Inference-Header-Content-Length";
const ARRAYS = { UINT8: Uint8Array, FP32: Float32Array };

let token = sessionStorage.getItem("token");

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

export const hasToken = () => Boolean(token);

// The answer to a request; an error is thrown with the message of the server.
export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Refused("The server does not answer.", 0);
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({ error: `error ${answer.status}` }));
  const wait = answer.headers.get("Retry-After");
  throw new Refused(wait ? `${error} (try again in ${wait} s)` : error, answer.status);
}

export const int64 = (name, values) => ({ name, datatype: "INT64", shape: [values.length], data: values });
export const scalar = (name, datatype, value) => ({ name, datatype, shape: [], data: [value] });
export const strings = (name, values) => ({ name, datatype: "BYTES", shape: [values.length], data: values });
export const tensor = (name, datatype, shape, values) =>
  ({ name, datatype, shape, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) });

export function file(name, content) {
  const bytes = new Uint8Array(4 + content.length);
  new DataView(bytes.buffer).setUint32(0, content.length, true);
  bytes.set(content, 4);
  return { name, datatype: "BYTES", shape: [1], bytes };
}

// Calls a signature; returns its one output as { values, shape, version }.
export async function infer(model, signature, inputs) {
  const described = inputs.map(({ bytes, ...rest }) =>
    bytes ? { ...rest, parameters: { binary_data_size: bytes.length } } : rest);
  const request = JSON.stringify({
    parameters: { signature_name: signature, binary_data_output: true }, inputs: described });
  const header = new TextEncoder().encode(request);
  const body = new Blob([header, ...inputs.filter(each => each.bytes).map(each => each.bytes)]);
  const answer = await ask(`/v2/models/${model}/infer`,
    { method: "POST", body, headers: { [LENGTH]: String(header.length) } });
  const content = await answer.arrayBuffer();
  const length = Number(answer.headers.get(LENGTH));
  const about = JSON.parse(new TextDecoder().decode(content.slice(0, length)));
  const [{ datatype, shape }] = about.outputs;
  const values = new ARRAYS[datatype](content.slice(length));
  return { values, shape, version: Number(about.model_version) };
}
