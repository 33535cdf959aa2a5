// A minbert model in a browser, or in node: texts to answers, all tasks after one pass of the encoder.
//
// `load` takes onnxruntime-web and the Tokenizer of @huggingface/tokenizers, and what reads the folder's files.

export async function load({ ort, Tokenizer, readJson, readBytes }) {
  const files = ["minbert.json", "tokenizer.json", "tokenizer_config.json"];
  const [about, tokenizer, settings] = await Promise.all(files.map(readJson));
  // A special token in a text is text; `Model` itself puts those around texts that belong there. A vocabulary of pieces
  // with scores would find them all the same, so they keep their places in it without their names.
  const special = new Set(tokenizer.added_tokens.filter((token) => token.special).map((token) => token.content));
  tokenizer.added_tokens = tokenizer.added_tokens.filter((token) => !token.special);
  if (Array.isArray(tokenizer.model.vocab)) {
    tokenizer.model.vocab = tokenizer.model.vocab.map(([piece, score]) => [special.has(piece) ? "" : piece, score]);
  }
  const session = await ort.InferenceSession.create(await readBytes("onnx/model.onnx"), { enableMemPattern: false });
  return new Model(ort, session, new Tokenizer(tokenizer, settings), about);
}

export class Model {
  constructor(ort, session, tokenizer, about) {
    Object.assign(this, { ort, session, tokenizer, about });
  }

  get tasks() {
    return this.about.tasks;
  }

  isPair(task) {
    return this.tasks[task].sequences.length > 1 || this.tasks[task].sequences[0] === "joined";
  }

  // From {task: [[text], ...]}, or [[first, second], ...] for pairs, to {task: [answer, ...]}; see `decided`. Answers also
  // tell `tokens_seen` of `tokens_total`: what does not fit is cut.
  async answer(asked) {
    const { sequences, rows } = this.read(asked);
    const logits = await this.run(sequences, rows);
    const tokens = (row, key) => row.reduce((sum, number) => sum + sequences[number][key], 0);
    const answered = (task, row, values) => ({
      ...decided(this.tasks[task], values),
      tokens_seen: tokens(row, "seen"),
      tokens_total: tokens(row, "total"),
    });
    return Object.fromEntries(
      Object.entries(rows).map(([task, of]) => [task, of.map((row, place) => answered(task, row, logits[task][place]))]),
    );
  }

  // Return each task's logits, an array a row.
  async logits(asked) {
    const { sequences, rows } = this.read(asked);
    return this.run(sequences, rows);
  }

  // Return all sequences that are asked about, each once, and for each row of a task the numbers of those it reads.
  read(asked) {
    const known = new Map();
    const sequences = [];
    const numberOf = (row, which, adapter) => {
      const texts = { first: [row[0]], second: [row[1]], joined: row }[which];
      const key = JSON.stringify([texts, adapter]);
      if (!known.has(key)) {
        known.set(key, sequences.length);
        sequences.push({ ...this.sequence(texts), adapter });
      }
      return known.get(key);
    };
    const numbers = ({ sequences: read, adapter }, row) => read.map((which) => numberOf(row, which, adapter));
    const rows = Object.fromEntries(
      Object.entries(asked).map(([name, texts]) => [name, texts.map((row) => numbers(this.tasks[name], row))]),
    );
    return { sequences, rows };
  }

  // Return each task's logits, all after one pass of the encoder.
  async run(sequences, rows) {
    const inputs = {};
    for (const [name, task] of Object.entries(this.tasks)) {
      const given = rows[name]?.length ? rows[name] : [task.sequences.map(() => 0)]; // who is not asked gets one row
      inputs[task.rows] = this.tensor(given.flat(), [given.length, task.sequences.length]);
    }
    const length = Math.max(...sequences.map(({ ids }) => ids.length));
    const filled = (values, filler) => [...values, ...Array(length - values.length).fill(filler)];
    const batch = {
      input_ids: sequences.flatMap(({ ids }) => filled(ids, this.about.padding_id)),
      attention_mask: sequences.flatMap(({ ids }) => filled(ids.map(() => 1), 0)),
      token_type_ids: sequences.flatMap(({ segments }) => filled(segments, 0)),
      adapter: sequences.map(({ adapter }) => adapter),
    };
    for (const name of this.about.inputs) {
      const shape = name === "adapter" ? [sequences.length] : [sequences.length, length];
      inputs[name] = this.tensor(batch[name], shape);
    }
    const outputs = await this.session.run(inputs);
    return Object.fromEntries(
      Object.entries(rows).map(([name, of]) => {
        const { data, dims } = outputs[this.tasks[name].logits];
        return [name, of.map((_, row) => Array.from(data.subarray(row * dims[1], (row + 1) * dims[1])))];
      }),
    );
  }

  tensor(values, shape) {
    return new this.ort.Tensor("int64", BigInt64Array.from(values, BigInt), shape);
  }

  // One text, or two joined, cut to the most tokens that a sequence may have, the longer one first.
  sequence(texts) {
    const { start, between, end } = this.about.frame;
    const tokens = texts.map((text) => this.tokenizer.encode(text, { add_special_tokens: false }).ids);
    const framing = start.length + end.length + (texts.length - 1) * between.length;
    const total = framing + tokens.flat().length;
    const room = this.about.max_length - framing;
    const [first, second] = tokens;
    if (second === undefined) {
      const ids = [...start, ...first.slice(0, room), ...end];
      return { ids, segments: ids.map(() => 0), seen: ids.length, total };
    }
    const shorter = Math.min(first.length, second.length, Math.floor(room / 2));
    const longer = Math.min(Math.max(first.length, second.length), room - shorter);
    const kept = first.length > second.length ? [longer, shorter] : [shorter, longer];
    const one = [...start, ...first.slice(0, kept[0]), ...between];
    const other = [...second.slice(0, kept[1]), ...end];
    const segments = [...one.map(() => 0), ...other.map(() => 1)];
    return { ids: [...one, ...other], segments, seen: segments.length, total };
  }
}

// Return what a row's logits say: {answer, probabilities by class} or {answer} for a score.
export function decided(task, logits) {
  const values = activations[task.activation](logits);
  const { rule, threshold, thresholds, range } = task.decision;
  const named = (shares) => Object.fromEntries(task.classes.map((name, place) => [name, shares[place]]));
  switch (rule) {
    case "likeliest":
      return { answer: task.classes[values.indexOf(Math.max(...values))], probabilities: named(values) };
    case "median": {
      let sum = 0;
      const place = values.findIndex((share) => (sum += share) > 0.5);
      return { answer: task.classes[place], probabilities: named(values) };
    }
    case "threshold": {
      const [yes] = values;
      return { answer: task.classes[Number(yes >= threshold)], probabilities: named([1 - yes, yes]) };
    }
    case "thresholds":
      return {
        answer: task.classes.filter((_, place) => values[place] >= thresholds[place]),
        probabilities: named(values),
      };
    case "clip":
      return { answer: Math.min(Math.max(values[0], range[0]), range[1]) };
    default:
      throw new Error(`minbert.json is of a newer minbert: it decides by "${rule}"`);
  }
}

const activations = {
  identity: (logits) => logits,
  sigmoid: (logits) => logits.map((logit) => 1 / (1 + Math.exp(-logit))),
  softmax: (logits) => {
    const powers = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
    const sum = powers.reduce((total, power) => total + power, 0);
    return powers.map((power) => power / sum);
  },
};
