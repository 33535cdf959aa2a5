// The page of `minbert serve`: asks the server what it can do, and shows what it says. Texts are put in as text, never
// as markup, and nothing is asked of any other server.

const MOST_SENTENCES = 40;
const BARS_SHOWN = 12;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

let token = "";

/** Return an element with attributes and children; a child may be a text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Return an SVG element with attributes. */
function drawn(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** Return the server's answer, or throw an error with its message. */
async function ask(path, body) {
  const headers = { ...(body && { "Content-Type": "application/json" }), ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const content = await answer.json();
  if (answer.status === 401) askForToken();
  if (!answer.ok) throw new Error(content.error.message);
  return content;
}

function askForToken() {
  byId("token-form").hidden = false;
  byId("token").focus();
}

/** Show what the server can do, and what it takes. */
async function begin() {
  let card;
  try {
    card = (await ask("v1/models")).data[0];
  } catch (error) {
    byId("about").textContent = error.message;
    return;
  }
  byId("token-form").hidden = true;
  document.title = `${card.id} · minbert`;
  byId("name").textContent = card.id;
  const names = Object.keys(card.tasks);
  const tasks = names.length === 1 ? `one task: ${names[0]}` : `${names.length} tasks: ${names.join(", ")}`;
  byId("about").textContent = `It has ${tasks}. A text may have ${card.limits.tokens_per_text} tokens.`;
  const takes = (form) => Object.values(card.tasks).some((task) => task.takes === form);
  prepare("single", takes("text"), () => analyze([byId("text").value], card));
  prepare("pair", takes("pair"), () => analyze([[byId("first").value, byId("second").value]], card));
  prepare("alike", true, () => compare(byId("sentences").value.split("\n").map((line) => line.trim()).filter(Boolean)));
}

/** Let a section's form show what `answer` returns: boxes, the input's tokens, and the request. */
function prepare(id, useful, answer) {
  const section = byId(id);
  section.hidden = !useful;
  const [form, status, boxes, curl] = ["form", ".status", ".boxes", ".curl"].map((part) => section.querySelector(part));
  const button = form.querySelector("button");
  form.onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    status.classList.remove("bad");
    status.replaceChildren("Asking …");
    const started = performance.now();
    try {
      const { shown, rows, path, body } = await answer();
      boxes.replaceChildren(...shown);
      status.replaceChildren(...read(rows, performance.now() - started));
      showRequest(curl, path, body);
    } catch (error) {
      boxes.replaceChildren();
      curl.hidden = true;
      status.classList.add("bad");
      status.replaceChildren(error.message);
    }
    button.disabled = false;
  };
  form.onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  };
}

/** Return the words on how much was read, and how long it took. */
function read(rows, milliseconds) {
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  const [seen, total] = [sum("tokens_seen"), sum("tokens_total")];
  const time = `in ${Math.round(milliseconds)} ms.`;
  if (seen === total) return [`Read all ${total} tokens ${time}`];
  return [`Read ${seen} of ${total} tokens ${time} `, element("span", { class: "cut" }, "The end was cut off: it is too long.")];
}

const truncated = () => (byId("truncate").checked ? { truncate: true } : {});

/** Ask all tasks that take this input. */
async function analyze(inputs, card) {
  const body = { inputs, ...truncated() };
  const rows = (await ask("v1/analyze", body)).analyses;
  const shown = Object.entries(rows[0].tasks).map(([name, said]) => box(name, said, card.tasks[name]));
  return { shown, rows, path: "v1/analyze", body };
}

/** Return the box of one task's answer. */
function box(name, said, task) {
  const parts = [element("h3", {}, name), element("p", { class: "kind" }, task.kind)];
  if (said.error) return element("article", { class: "box" }, ...parts, element("p", { class: "notice" }, said.error.message));
  const called = (label) => (task.kind === "binary" ? { 0: "0 (no)", 1: "1 (yes)" }[label] : label);
  if (task.range) return element("article", { class: "box" }, ...parts, dial(name, said.prediction, task.range));
  const chosen = [said.prediction].flat();
  parts.push(element("p", { class: "said" }, chosen.map(called).join(", ") || "none of the classes"));
  let shares = Object.entries(said.probabilities);
  if (shares.length > BARS_SHOWN) shares = shares.sort((one, other) => other[1] - one[1]);
  const bar = ([label, share]) => bars(called(label), share, task.thresholds[label], chosen.includes(label));
  parts.push(element("ul", { class: "bars" }, ...shares.slice(0, BARS_SHOWN).map(bar)));
  const rest = shares.slice(BARS_SHOWN);
  if (rest.length) {
    const list = element("ul", { class: "bars" }, ...rest.map(bar));
    parts.push(element("details", {}, element("summary", {}, `${rest.length} more`), list));
  }
  return element("article", { class: "box" }, ...parts);
}

/** Return a class with its probability as a bar and a number, and the threshold it is answered from. */
function bars(label, share, threshold, chosen) {
  const meter = element("meter", { min: 0, max: 1, value: share, "aria-label": label });
  if (threshold !== undefined) {
    for (const [key, value] of Object.entries({ low: threshold, high: threshold, optimum: 1 })) meter.setAttribute(key, value);
  }
  const row = element(
    "li",
    {},
    element("span", { class: chosen ? "class chosen" : "class" }, chosen ? `✓ ${label}` : label),
    element("span", { class: "number" }, share.toFixed(3)),
    meter,
  );
  if (threshold !== undefined) row.append(element("span", { class: "from" }, `answered from ${threshold.toFixed(2)} on`));
  return row;
}

/** Return a score as a dial from the lowest to the highest. */
function dial(name, score, [low, high]) {
  const share = Math.min(1, Math.max(0, (score - low) / (high - low)));
  const label = `${name}: ${score.toFixed(2)}, on a range from ${low} to ${high}`;
  const made = drawn("svg", { class: "dial", viewBox: "0 0 200 124", role: "img", "aria-label": label });
  const arc = "M 20 100 A 80 80 0 0 1 180 100";
  const length = Math.PI * 80;
  made.append(
    drawn("path", { class: "whole", d: arc }),
    drawn("text", { class: "value", x: 100, y: 92 }, score.toFixed(2)),
    drawn("text", { x: 20, y: 121 }, String(low)),
    drawn("text", { x: 180, y: 121 }, String(high)),
  );
  if (share > 0) {
    made.append(drawn("path", { class: "part", d: arc, "stroke-dasharray": `${share * length} ${length}` }));
  }
  return made;
}

/** Ask for the sentences' vectors and show their cosines. */
async function compare(sentences) {
  if (sentences.length < 2) throw new Error("Give at least two sentences, each in a line of its own.");
  if (sentences.length > MOST_SENTENCES) throw new Error(`Give at most ${MOST_SENTENCES} sentences.`);
  const body = { input: sentences, ...truncated() };
  const rows = (await ask("v1/embeddings", body)).data;
  const cosine = (one, other) => rows[one].embedding.reduce((sum, value, at) => sum + value * rows[other].embedding[at], 0);
  const numbers = sentences.map((_, number) => element("th", { scope: "col" }, String(number + 1)));
  const lines = sentences.map((sentence, row) => {
    const cells = sentences.map((_, column) => {
      const value = cosine(row, column);
      const cell = element("td", {}, value.toFixed(2).replace("-0.00", "0.00"));
      cell.style.setProperty("--share", Math.max(0, value).toFixed(3));
      return cell;
    });
    return element("tr", {}, element("th", { scope: "row" }, `${row + 1}. ${sentence}`), ...cells);
  });
  const table = element(
    "table",
    {},
    element("caption", {}, "Cosines: 1 is alike, 0 has nothing in common"),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Sentence"), ...numbers)),
    element("tbody", {}, ...lines),
  );
  const around = element("div", { class: "heat", tabindex: "0", role: "region", "aria-label": "Table of similarities" }, table);
  return { shown: [around], rows, path: "v1/embeddings", body };
}

/** Show the request as a line for a shell, with a button that copies it. */
function showRequest(place, path, body) {
  const quoted = `'${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
  const bearer = token ? ' -H "Authorization: Bearer $TOKEN"' : "";
  const line = `curl -s ${new URL(path, document.baseURI)} -H 'Content-Type: application/json'${bearer} -d ${quoted}`;
  const button = element("button", { type: "button", class: "small" }, "Copy this line");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(line);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(place.querySelector("pre"));
      button.textContent = "Selected: press Ctrl+C";
    }
  };
  place.replaceChildren(element("pre", { tabindex: "0", role: "group", "aria-label": "The request as a line for a shell" }, line), button);
  place.hidden = false;
}

byId("token-form").onsubmit = (event) => {
  event.preventDefault();
  token = byId("token").value;
  begin();
};
begin();
