"""Whether an exported model answers real texts as minbert does: one line a format and task.

``python benchmarks/exported.py --encoder minilm --file DIR/sts-train.csv --column sentence1 --column sentence2``

The heads are random: what is compared is the way there. Texts are joined from the file's own, so that there are some of
every length from one word to more than fit.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from minbert.data.corpora import read_texts
from minbert.encoder.sources import find_encoder, load_encoder
from minbert.export.exporting import export_model, find_format
from minbert.export.onnx.description import is_exported
from minbert.export.onnx.session import OnnxModel
from minbert.multitask.model import MultitaskModel, Text
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer

Numbers = NDArray[np.float64]

CLASSES = ["a", "b", "c", "d", "e"]
POOLER = {"pooling": "pooler"}
TASKS: dict[str, dict[str, dict[str, Any]]] = {
    "transformers": {
        "classes": {"kind": "classification", "classes": CLASSES} | POOLER,
        "pair": {"kind": "binary", "pair": "cross"} | POOLER,
    },
    "sentence-transformers": {
        "classes": {"kind": "classification", "classes": CLASSES},
        "deep": {"kind": "multilabel", "classes": CLASSES, "head": "mlp"},
        "pair": {"kind": "binary", "pair": "cross"},
        "close": {"kind": "regression", "range": [0, 1], "pair": "bi", "head": "cosine"},
    },
    "onnx": {
        "classes": {"kind": "classification", "classes": CLASSES} | POOLER,
        "deep": {"kind": "multilabel", "classes": CLASSES, "head": "mlp"},
        "pair": {"kind": "binary", "pair": "cross"},
        "close": {"kind": "regression", "range": [0, 1], "pair": "bi", "head": "cosine"},
        "both": {"kind": "binary", "pair": "both", "head": "cosine_linear"},
    },
}
"""The tasks of the model that each format is given."""
LINE = "{:<22}{:<15}{:<15}{:>8}  {}"
TIE = 1e-4
"""Two probabilities this near to each other are a tie: either class may be the likelier."""


def main() -> None:
    """Compare, and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--encoder", default="minilm")
    options.add_argument("--file", type=Path, required=True, help="a file of texts")
    options.add_argument("--column", action="append", default=[], help="of its texts, repeatable")
    options.add_argument("--texts", type=int, default=2000)
    options.add_argument("--max-length", type=int, default=128)
    options.add_argument("--format", choices=TASKS, action="append", help="only this one, repeatable")
    options.add_argument("--task", help="only this one")
    options.add_argument("--seed", type=int, default=11711)
    given = options.parse_args()
    texts = of_every_length([*read_texts(given.file, given.column)], given.texts, given.max_length, given.seed)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "sentence-transformers"))
    print(f"{given.encoder}, {len(texts):,} texts of {given.file.name}, at most {given.max_length} tokens, fp32")
    print(f"{platform.machine()}, {libraries}\n")
    print(LINE.format("format", "task", "what differs", "at most", "the same class"))
    for form in given.format or TASKS:
        model = built(given.encoder, TASKS[form], given.max_length, given.seed)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "exported"
            export_model(model, find_format(form), folder)
            if not given.task:
                print(LINE.format(form, "(the encoder)", "1 - cosine", of_vectors(model, folder, texts), ""))
            for task in [given.task] if given.task else model.tasks:
                told = compared(model, task, texts, READERS[form](folder / task))
                print(LINE.format(form, task, *told), flush=True)


def built(encoder: str, tasks: dict[str, dict[str, Any]], max_length: int, seed: int) -> MultitaskModel:
    """Return a model with random heads whose probabilities are far from all alike."""
    torch.manual_seed(seed)
    settings = {name: TaskSettings.model_validate(task) for name, task in tasks.items()}
    tokenizer = Tokenizer.from_files(find_encoder(encoder).folder)
    model = MultitaskModel(load_encoder(encoder), tokenizer, settings, max_length)
    for parameter in model.heads.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def of_every_length(texts: Sequence[str], count: int, longest: int, seed: int) -> list[str]:
    """Return texts of words in the file's order: as many of 1 to 2 words as of 2 to 4, and so on."""
    random = np.random.default_rng(seed)
    made = []
    for words in np.exp(random.uniform(0, np.log(1.2 * longest), count)).astype(int):
        start, parts = int(random.integers(len(texts))), []
        while sum(len(part.split()) for part in parts) < words:
            parts.append(texts[(start + len(parts)) % len(texts)])
        made.append(" ".join(" ".join(parts).split()[:words]))
    return made


def compared(model: MultitaskModel, task: str, texts: list[str], read: Callable[[list[Text]], Numbers]) -> list[str]:
    """Return the worst differences between minbert's numbers and another reader's, as words."""
    rows: list[Text] = list(texts)
    if model.task(task).pair is not None:
        rows = list(zip(texts, [*texts[1:], texts[0]], strict=True))
    ours = model.predict(task, rows)
    theirs = read(rows)
    if ours.probabilities is None:
        return ["a cosine", f"{np.abs(ours.values - theirs.clip(0, 1)).max():.1e}", ""]
    expected = ours.probabilities.reshape(len(rows), -1)
    found = np.stack([1 - theirs, theirs], axis=1) if theirs.ndim == 1 else theirs
    if ours.values.ndim == 2:
        clear, same = np.abs(expected - 0.5) > TIE, (expected >= 0.5) == (found >= 0.5)
    else:
        clear = np.diff(np.sort(expected, axis=1)[:, -2:])[:, 0] > TIE
        same = expected.argmax(1) == found.argmax(1)
    return ["a probability", f"{np.abs(expected - found).max():.1e}", f"{same[clear].sum():,} of {clear.sum():,}"]


def of_vectors(model: MultitaskModel, folder: Path, texts: list[str]) -> str:
    """Return how far a sentence vector is from minbert's, at most."""
    if is_exported(folder):
        exported = OnnxModel.from_folder(folder)
        theirs = exported.vectors(exported.reader.single_texts(texts))
    elif (folder / "modules.json").exists():
        from sentence_transformers import SentenceTransformer

        theirs = SentenceTransformer(str(folder), device="cpu").encode(texts)
    else:
        theirs = means(folder, texts)
    ours, theirs = (np.asarray(vectors, np.float64) for vectors in (model.encode(texts), theirs))
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    return f"{(1 - cosines).max():.1e}"


def means(folder: Path, texts: list[str]) -> NDArray[np.float32]:
    """Return the means over tokens (N, hidden) of what ``AutoModel`` makes of texts."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, encoder, vectors = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder), []
    for start in range(0, len(texts), 32):
        inputs = tokenizer(texts[start : start + 32], padding=True, truncation=True, return_tensors="pt")
        with torch.no_grad():
            states = encoder(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        vectors.append((states * mask).sum(1) / mask.sum(1))
    return np.asarray(torch.cat(vectors))


def of_transformers(folder: Path) -> Callable[[list[Text]], Numbers]:
    """Return what reads a folder by transformers' pipeline."""
    from transformers import pipeline

    ask = pipeline("text-classification", str(folder), device="cpu")
    labels = ask.model.config.id2label

    def read(rows: list[Text]) -> Numbers:
        given = [row if isinstance(row, str) else {"text": row[0], "text_pair": row[1]} for row in rows]
        told = [{each["label"]: each["score"] for each in ask(row, top_k=None, truncation=True)} for row in given]
        return np.array([[scores[labels[number]] for number in range(len(labels))] for scores in told])

    return read


def of_sentence_transformers(folder: Path) -> Callable[[list[Text]], Numbers]:
    """Return what reads a folder by sentence-transformers, as its page says."""
    from sentence_transformers import CrossEncoder, SentenceTransformer

    def read(rows: list[Text]) -> Numbers:
        if folder.name == "pair":
            return np.asarray(CrossEncoder(str(folder), device="cpu").predict(rows), np.float64)
        model = SentenceTransformer(str(folder), device="cpu")
        if folder.name == "close":
            first, second = (model.encode([row[side] for row in rows], convert_to_tensor=True) for side in (0, 1))
            return np.asarray(torch.cosine_similarity(first.double(), second.double()))
        logits = model.encode(rows, convert_to_tensor=True).double()
        return np.asarray(logits.sigmoid() if folder.name == "deep" else logits.softmax(-1))

    return read


def of_onnx(folder: Path) -> Callable[[list[Text]], Numbers]:
    """Return what asks a graph by onnxruntime; ``folder`` is that of the export with the task's name behind it."""
    exported, task = OnnxModel.from_folder(folder.parent), folder.name

    def read(rows: list[Text]) -> Numbers:
        [told] = exported.predictions([task], exported.sequences(task, rows))
        return told.values if told.probabilities is None else told.probabilities

    return read


READERS = {"transformers": of_transformers, "sentence-transformers": of_sentence_transformers, "onnx": of_onnx}

if __name__ == "__main__":
    main()
