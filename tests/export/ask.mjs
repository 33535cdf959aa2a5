// node ask.mjs FOLDER NODE_MODULES QUESTIONS: prints what an exported model says, logits and answers, as JSON.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [folder, modules, questions] = process.argv.slice(2);
const from = (path) => import(pathToFileURL(path));
const ort = await from(`${modules}/onnxruntime-web/dist/ort.node.min.mjs`);
const { Tokenizer } = await from(`${modules}/@huggingface/tokenizers/dist/tokenizers.mjs`);
const { load } = await from(`${folder}/minbert.js`);

ort.env.wasm.numThreads = 1;
const model = await load({
  ort,
  Tokenizer,
  readJson: async (file) => JSON.parse(await readFile(`${folder}/${file}`)),
  readBytes: (file) => readFile(`${folder}/${file}`),
});
const asked = JSON.parse(await readFile(questions));
console.log(JSON.stringify({ logits: await model.logits(asked), answers: await model.answer(asked) }));
