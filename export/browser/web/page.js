// What a person does and sees. `page.json` says which file this is, what goes into it and what comes out.

import {decode, toSquare, toValues} from "./pixels.js";

const TOP = 5;
const MOST_RESULTS = 60;

const element = (id) => document.getElementById(id);

/** A new element with text and children. */
function make(tag, {className = "", text = "", children = []} = {}) {
  const result = Object.assign(document.createElement(tag), {className, textContent: text});
  result.append(...children);
  return result;
}

function fail(message) {
  element("error").textContent = message;
  element("error").hidden = false;
}

/** What the page needs before it can answer; throws an Error in words for a person. */
async function load() {
  if (typeof WebAssembly !== "object") throw new Error("This browser has no WebAssembly, or it is switched off.");
  const facts = await (await get("page.json")).json();
  const labels = (await (await get("labels.txt")).text()).split("\n");
  element("title").textContent = document.title = facts.title;
  element("facts").textContent = describe(facts);
  const bytes = new Uint8Array(await (await get(facts.file)).arrayBuffer());
  if (bytes.length !== facts.bytes) {
    throw new Error(`${facts.file} is damaged: ${bytes.length} of its ${facts.bytes} bytes arrived.`);
  }
  const {Interpreter} = await import("./interpreter.js");
  const interpreter = await Interpreter.open(bytes, facts).catch((error) => {
    throw new Error(`LiteRT.js cannot run ${facts.file}: ${error?.message ?? error}`);
  });
  const nothing = new Float32Array(facts.input.shape.reduce((a, b) => a * b));
  await interpreter.run(nothing); // the first run prepares the kernels
  return {facts, labels, interpreter};
}

async function get(path) {
  const response = await fetch(path).catch((error) => {
    throw new Error(`${path} cannot be loaded: ${error.message}`);
  });
  if (!response.ok) throw new Error(`${path} cannot be loaded: ${response.status} ${response.statusText}`);
  return response;
}

function describe({format, bytes, input, output}) {
  const classes = output.shape.at(-1);
  const size = `${(bytes / 1e6).toFixed(2)} MB`;
  return `${format}, ${size}, ${input.shape[2]}×${input.shape[1]} pixels, ${classes} classes. The pictures stay on this device.`;
}

function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

class Page {
  #network; #queue = Promise.resolve(); #stream = null;

  constructor(network) {
    this.#network = network;
  }

  /** Scores (classes) for a picture, the square that the network saw, and the milliseconds. */
  async #classify(source) {
    const {facts, interpreter} = this.#network;
    const square = toSquare(source, facts.preprocess);
    const {outputs, ms} = await interpreter.run(toValues(square, facts));
    return {scores: facts.probabilities ? outputs : softmax(outputs), square, ms};
  }

  /** Classifies image files one after the other; a file that is no picture gets a result that says so. */
  add(files) {
    for (const file of files) {
      const card = make("article", {className: "result"});
      card.dataset.name = file.name;
      const results = element("results");
      this.#queue = this.#queue.then(async () => {
        results.prepend(card);
        while (results.children.length > MOST_RESULTS) results.lastChild.remove();
        try {
          const bitmap = await decode(file);
          this.#show(card, file.name, await this.#classify(bitmap));
          bitmap.close();
        } catch (error) {
          const text = `${file.name}: not a picture that this browser can open (${error.message})`;
          card.replaceChildren(make("p", {className: "alert", text}));
        }
      });
    }
  }

  /** Draws a result. Its data attributes hold what the text rounds: `ms` of it, `class` and `score` of each row. */
  #show(card, name, {scores, square, ms}) {
    const {labels, facts} = this.#network;
    const size = facts.preprocess.size;
    const canvas = Object.assign(make("canvas"), {width: size, height: size});
    const colours = new ImageData(size, size);
    for (let pixel = 0; pixel < size * size; pixel++) {
      colours.data.set([...square.subarray(3 * pixel, 3 * pixel + 3), 255], 4 * pixel);
    }
    canvas.getContext("2d").putImageData(colours, 0, 0);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `what the network saw of ${name}`);
    const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
    const rows = order.slice(0, TOP).map((index) => row(index, labels[index], scores[index]));
    const time = make("span", {className: "ms", text: `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`});
    card.dataset.ms = ms;
    card.replaceChildren(
      make("header", {children: [make("h2", {text: name}), time]}), canvas, make("ol", {children: rows}),
    );
  }

  /** Starts the camera, or stops it; a refusal is told on the page. */
  async toggleCamera() {
    if (this.#stream) {
      this.#stopCamera();
      return;
    }
    try {
      if (!navigator.mediaDevices) throw new Error("browsers lend it to pages from https and from localhost alone");
      const video = {facingMode: "environment"};
      this.#stream = await navigator.mediaDevices.getUserMedia({video, audio: false});
    } catch (error) {
      const reason = error.name === "NotAllowedError" ? "it was refused: allow it in the site's settings" : error.message;
      fail(`No camera: ${reason}`);
      return;
    }
    element("error").hidden = true;
    await this.#watch();
  }

  #stopCamera() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    element("video").hidden = true;
    this.#sayCamera(false);
  }

  #sayCamera(on) {
    element("camera").textContent = on ? "Stop the camera" : "Start the camera";
    element("camera").setAttribute("aria-pressed", String(on));
  }

  async #watch() {
    const stream = this.#stream;
    const video = element("video");
    const card = make("article", {className: "result"});
    card.dataset.name = "camera";
    card.setAttribute("aria-live", "off"); // many times a second
    this.#sayCamera(true);
    video.hidden = false;
    video.srcObject = stream;
    try {
      await video.play();
      element("results").prepend(card);
      while (this.#stream === stream) {
        if (!stream.active) throw new Error("it was taken away");
        this.#queue = this.#queue.then(async () => this.#show(card, "camera", await this.#classify(video)));
        await this.#queue;
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      fail(`No camera: ${error.message}`);
      this.#queue = Promise.resolve();
      if (this.#stream === stream) this.#stopCamera();
    }
  }
}

function row(index, label, score) {
  const fill = make("i");
  fill.style.width = `${100 * score}%`;
  const bar = make("span", {className: "bar", children: [fill]});
  bar.setAttribute("aria-hidden", "true");
  const percent = make("span", {className: "score", text: `${(100 * score).toFixed(1)} %`});
  const item = make("li", {children: [make("span", {text: label}), percent, bar]});
  Object.assign(item.dataset, {class: index, score});
  return item;
}

/** Lets files and the camera in. */
function listen(page) {
  const files = element("files");
  files.addEventListener("change", () => {
    page.add([...files.files]);
    files.value = ""; // so that the same picture can be chosen again
  });
  element("camera").addEventListener("click", () => page.toggleCamera());
  const over = (on) => document.body.classList.toggle("over", on);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", () => over(false));
  addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    page.add([...event.dataTransfer.files]);
  });
  files.disabled = element("camera").disabled = false;
}

try {
  const network = await load();
  listen(new Page(network));
  const threads = network.interpreter.threads;
  element("status").textContent = `Ready, with ${threads} ${threads === 1 ? "thread" : "threads"}.`;
  document.documentElement.dataset.state = "ready";
} catch (error) {
  element("status").textContent = "Not ready.";
  fail(error.message);
  document.documentElement.dataset.state = "failed";
}
