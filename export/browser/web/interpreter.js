// The `.tflite` file in LiteRT.js, on XNNPACK in WebAssembly.
//
// LiteRT.js's `Tensor` knows float32, int32 and uint8, and `loadAndCompile` refuses a file with any other type at its
// ends. Its bindings (`liteRtWasm`, typed in its index.d.ts) take int8 too, so this goes through them for every type.

import {loadLiteRt, supportsFeature} from "@litertjs/core";

const ARRAYS = {float32: Float32Array, int8: Int8Array, uint8: Uint8Array};
const LIMITS = {int8: [-128, 127], uint8: [0, 255]};

/** Half to even, as NumPy rounds. */
function round(value) {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

/** Real values as the tensor's numbers; a float tensor takes them as they are. */
function quantize(values, {dtype, scale, zero_point: zero}) {
  if (dtype === "float32") return values;
  const [low, high] = LIMITS[dtype];
  const step = Math.fround(scale);
  const number = (value) => Math.min(Math.max(round(Math.fround(value / step)) + zero, low), high);
  return ARRAYS[dtype].from(values, number);
}

/** The real values that a tensor's numbers stand for. */
function dequantize(numbers, {dtype, scale, zero_point: zero}) {
  return dtype === "float32" ? numbers : Float32Array.from(numbers, (number) => (number - zero) * scale);
}

export class Interpreter {
  #wasm; #compiled; #buffer; #input; #output;

  /** Opens a file's bytes, whose tensors `input` and `output` describe. Rejects with an Error that says why not. */
  static async open(bytes, {input, output}) {
    const result = new Interpreter();
    const threads = self.crossOriginIsolated && (await supportsFeature("relaxedSimd")) && (await supportsFeature("threads"));
    const runtime = await loadLiteRt(new URL("litert/@litertjs/core/wasm/", document.baseURI).href, {threads});
    const wasm = runtime.liteRtWasm;
    const environment = runtime.getDefaultEnvironment();
    const handle = environment.liteRtEnvironment;
    const place = wasm._malloc(bytes.length); // the file stays there for as long as the page does
    wasm.HEAPU8.set(bytes, place);
    const model = wasm.loadModel(handle, place, bytes.length);
    const cpuOptions = {numThreads: wasm.getThreadCount()};
    const options = {environment, accelerator: "wasm", cpuOptions, gpuOptions: {}, webNNOptions: {}};
    result.threads = cpuOptions.numThreads;
    result.#compiled = await wasm.compileModel(handle, model, options);
    const type = model.getInputTensorType(0, 0);
    const expected = input.shape.reduce((a, b) => a * b) * ARRAYS[input.dtype].BYTES_PER_ELEMENT;
    if (type.bytes() !== expected) throw new Error(`its input takes ${type.bytes()} bytes, not ${expected}`);
    result.#buffer = wasm.LiteRtTensorBuffer.createManaged(
      handle, wasm.LiteRtTensorBufferType.HOST_MEMORY, type, type.bytes(),
    );
    type.delete();
    result.#wasm = wasm;
    result.#input = input;
    result.#output = output;
    return result;
  }

  /** Runs real values (1, h, w, 3), float32: the real outputs (classes), and the milliseconds that it took. */
  async run(values) {
    const {LiteRtTensorBufferLockMode: mode} = this.#wasm;
    const numbers = quantize(values, this.#input);
    const start = performance.now();
    const target = this.#buffer.lock(mode.WRITE);
    this.#wasm.HEAPU8.set(new Uint8Array(numbers.buffer), target);
    this.#buffer.unlock();
    const [answer] = await this.#compiled.run(0, [this.#buffer]);
    const ms = performance.now() - start;
    const source = answer.lock(mode.READ);
    const bytes = this.#wasm.HEAPU8.slice(source, source + answer.packedSize());
    answer.unlock();
    answer.delete();
    return {outputs: dequantize(new ARRAYS[this.#output.dtype](bytes.buffer), this.#output), ms};
  }
}
