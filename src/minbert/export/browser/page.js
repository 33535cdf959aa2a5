// The page: one text, or two, and what each task says of it.
import { load } from "./minbert.js";

const [form, status, answers] = ["form", "#status", "#answers"].map((name) => document.querySelector(name));
const [first, second, pair] = ["#first", "#second", "#pair"].map((name) => document.querySelector(name));

async function read(file) {
  const response = await fetch(file);
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  return response;
}

// The two packages that README.md says how to put here; a page cannot load without them, and says so.
async function packages() {
  try {
    return await Promise.all([
      import("./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs"),
      import("./node_modules/@huggingface/tokenizers/dist/tokenizers.mjs"),
    ]);
  } catch (error) {
    throw new Error(`${error.message}. Run "npm install onnxruntime-web @huggingface/tokenizers" in this folder.`);
  }
}

async function begin() {
  const [ort, { Tokenizer }] = await packages();
  ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
  const model = await load({
    ort,
    Tokenizer,
    readJson: async (file) => (await read(file)).json(),
    readBytes: async (file) => new Uint8Array(await (await read(file)).arrayBuffer()),
  });
  pair.hidden = !Object.keys(model.tasks).some((task) => model.isPair(task));
  form.querySelector("button").disabled = false;
  status.textContent = "Ready.";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(model).catch(tell);
  });
}

async function ask(model) {
  const row = second.value.trim() ? [first.value, second.value] : [first.value];
  const tasks = Object.keys(model.tasks).filter((task) => !model.isPair(task) || row.length === 2);
  if (!tasks.length) throw new Error("All tasks take two texts.");
  const started = performance.now();
  const found = await model.answer(
    Object.fromEntries(tasks.map((task) => [task, [model.isPair(task) ? row : row.slice(0, 1)]])),
  );
  const cut = tasks.filter((task) => found[task][0].tokens_seen < found[task][0].tokens_total);
  const told = cut.map((task) => `${task} read ${found[task][0].tokens_seen} of ${found[task][0].tokens_total} tokens`);
  const time = `Answered in ${Math.round(performance.now() - started)} ms.`;
  status.textContent = cut.length ? `${time} The text is too long, and its end was cut off: ${told.join(", ")}.` : time;
  answers.replaceChildren(...tasks.flatMap((task) => shown(task, found[task][0], model.tasks[task])));
}

function shown(task, { answer, probabilities }, { decision }) {
  const heading = element("h2", task);
  const told = typeof answer === "number" ? answer.toFixed(3) : [answer].flat().join(", ") || "none";
  if (probabilities) return [heading, element("p", told), bars(Object.entries(probabilities), 0, 1)];
  return [heading, bars([["score", answer]], ...decision.range)];
}

function bars(rows, low, high) {
  const list = document.createElement("dl");
  for (const [name, value] of rows) {
    const meter = Object.assign(document.createElement("meter"), { min: low, max: high, value });
    meter.setAttribute("aria-label", name);
    const cell = document.createElement("dd");
    cell.append(meter, element("span", value.toFixed(3)));
    list.append(element("dt", name), cell);
  }
  return list;
}

function element(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

function tell(error) {
  status.textContent = `It does not work: ${error.message}`;
}

begin().catch(tell);
