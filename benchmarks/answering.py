"""Who answers texts: ours, sentence-transformers, transformers' pipeline, and its models exported to onnxruntime.

Each function returns what turns texts (or pairs of them) into fp32 numbers. What is loaded and exported before that is
not timed.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from minbert.encoder.sources import find_encoder, load_encoder
from minbert.export.exporting import export_model, find_format
from minbert.export.onnx.session import OnnxModel
from minbert.machine.device import available_device
from minbert.machine.precision import Precision
from minbert.multitask.model import MultitaskModel, Text
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer

Outputs = NDArray[np.float32]
Answer = Callable[[Sequence[Text]], Outputs]

What = Literal["encode", "predict", "bi", "cross"]
"""Sentence vectors of texts; probabilities of five classes of texts; the cosine of the vectors of a pair's two texts;
probabilities of five classes of pairs joined into one sequence."""

CLASSES = 5
MAX_LENGTH = 512
TASKS = {
    "predict": {"kind": "classification", "classes": CLASSES, "pooling": "pooler"},
    "cross": {"kind": "classification", "classes": CLASSES, "pooling": "pooler", "pair": "cross"},
    "bi": {
        "kind": "regression",
        "range": [-1, 1],
        "pair": "bi",
        "pooling": "mean",
        "head": {"name": "cosine", "lowest_cosine": -1},  # so that the score is the cosine itself
    },
}
"""Heads like the peers' own: a linear one over the pooler's output, as BertForSequenceClassification has it, and the
cosine of two means, as sentence-transformers computes it. Sentence vectors need no head."""


@dataclass(frozen=True)
class Contestant:
    """Somebody who answers."""

    design: Literal["ours", "exported", "sentence-transformers", "pipeline", "onnxruntime"]
    what: What
    precision: Precision = "fp32"
    batch: int | None = None
    """Texts a batch of a peer; its own default where not given. Given, the pipeline's texts are sorted by length."""


THREE_TASKS = dict.fromkeys(("first", "second", "third"), TASKS["predict"])
"""Three questions about the same texts, each answered as ``predict`` is."""


def our_model(encoder: str, seed: int, tasks: Mapping[str, dict[str, Any]] = TASKS) -> MultitaskModel:
    """Return a model with a random head for each of ``tasks``."""
    torch.manual_seed(seed)
    tokenizer = Tokenizer.from_files(find_encoder(encoder).folder)
    settings = {name: TaskSettings.model_validate(task) for name, task in tasks.items()}
    model = MultitaskModel(load_encoder(encoder), tokenizer, settings, max_length=MAX_LENGTH)
    for name, task in tasks.items():
        if task["kind"] == "classification":
            torch.nn.init.normal_(_linear(model, name).weight, std=0.2)  # probabilities far from all alike
    return model.to(available_device()).eval()


def answerer(contestant: Contestant, model: MultitaskModel, encoder: str) -> Answer:
    """Return what answers as ``contestant`` does, with the weights of ``encoder`` and the heads of ``model``."""
    if contestant.design == "ours":
        return our_answers(contestant, model)
    others = {
        "exported": exported_answers,
        "sentence-transformers": vectors_of_sentences,
        "pipeline": pipeline_answers,
        "onnxruntime": onnx_answers,
    }
    return others[contestant.design](contestant, model, encoder)


def our_answers(contestant: Contestant, model: MultitaskModel) -> Answer:
    """Return what answers texts by our public verbs."""
    if contestant.what == "encode":
        return lambda texts: model.encode(texts, precision=contestant.precision)

    return lambda texts: _numbers(model.predict(contestant.what, texts, contestant.precision))


def exported_answers(contestant: Contestant, model: MultitaskModel, _: str) -> Answer:
    """Return what answers texts by our model exported to ONNX, as ``minbert predict --engine onnx`` does."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "exported"
        export_model(model, find_format("onnx"), folder)
        exported = OnnxModel.from_folder(folder)
    what = contestant.what
    if what == "encode":
        return lambda texts: exported.vectors(exported.reader.single_texts([str(text) for text in texts]))
    return lambda texts: _numbers(exported.predictions([what], exported.sequences(what, texts))[0])


def _numbers(predicted: Predictions) -> Outputs:
    """Return every class's probability, or scores (R, 1)."""
    numbers = predicted.values[:, None] if predicted.probabilities is None else predicted.probabilities
    return numbers.astype(np.float32)


def vectors_of_sentences(contestant: Contestant, _: MultitaskModel, encoder: str) -> Answer:
    """Return what answers by sentence-transformers; it sorts texts by length itself."""
    from sentence_transformers import SentenceTransformer

    dtype = torch.bfloat16 if contestant.precision == "bf16" else torch.float32
    peer = SentenceTransformer(str(find_encoder(encoder).folder), model_kwargs={"dtype": dtype})
    peer.max_seq_length = MAX_LENGTH
    more = {} if contestant.batch is None else {"batch_size": contestant.batch}
    encode = lambda texts: np.asarray(peer.encode(texts, show_progress_bar=False, **more), np.float32)  # noqa: E731
    return encode if contestant.what == "encode" else _of_both(encode)


def pipeline_answers(contestant: Contestant, model: MultitaskModel, encoder: str) -> Answer:
    """Return what answers by transformers' pipeline: text by text as it comes, in batches of like length if tuned."""
    from transformers import pipeline

    peer, tokenizer = _classifier(contestant, model, encoder)
    more: dict[str, Any] = {} if contestant.batch is None else {"batch_size": contestant.batch}
    classify = pipeline("text-classification", peer, tokenizer=tokenizer, device=available_device(), **more)

    def answer(texts: Sequence[Text]) -> Outputs:
        order = range(len(texts)) if contestant.batch is None else _by_length(texts)
        inputs = [texts[number] for number in order]
        given = [text if isinstance(text, str) else {"text": text[0], "text_pair": text[1]} for text in inputs]
        found = np.empty((len(texts), CLASSES), np.float32)
        for number, scores in zip(order, classify(given, top_k=None), strict=True):
            for score in scores:
                found[number, int(score["label"].removeprefix("LABEL_"))] = score["score"]
        return found

    return answer


def onnx_answers(contestant: Contestant, model: MultitaskModel, encoder: str) -> Answer:
    """Return what answers by onnxruntime: transformers' model exported by torch, texts in batches of like length.

    sentence-transformers' own way there needs optimum, which asks for an older transformers.
    """
    import onnxruntime
    from transformers import AutoModel, AutoTokenizer

    classifies = contestant.what in ("predict", "cross")
    if classifies:
        peer, tokenizer = _classifier(contestant, model, encoder)
    else:
        folder = find_encoder(encoder).folder
        peer, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "model.onnx"
        _export(peer.eval(), tokenizer, file)
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def answer(texts: Sequence[Text]) -> Outputs:
        order, batch = _by_length(texts), contestant.batch or 32
        found = np.empty((len(texts), CLASSES if classifies else peer.config.hidden_size), np.float32)
        for start in range(0, len(texts), batch):
            numbers = order[start : start + batch]
            chosen = [texts[number] for number in numbers]
            inputs = tokenizer(chosen, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="np")
            [output] = session.run(None, {name: inputs[name].astype(np.int64) for name in names})
            if classifies:
                powers = np.exp(output - output.max(-1, keepdims=True))
                found[numbers] = powers / powers.sum(-1, keepdims=True)
            else:
                mask = inputs["attention_mask"][..., None]
                found[numbers] = (output * mask).sum(1) / mask.sum(1)
        return found

    return _of_both(answer) if contestant.what == "bi" else answer


def _export(peer: torch.nn.Module, tokenizer: Any, file: Path) -> None:
    """Write a model of transformers as ONNX: token ids, mask and segments in, its first output out."""

    class First(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = peer

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
        ) -> torch.Tensor:
            first: torch.Tensor = self.model(input_ids, attention_mask, token_type_ids)[0]
            return first

    example = tokenizer(["one of two", "a longer one of two"], padding=True, return_tensors="pt")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=MAX_LENGTH)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            First().eval(),
            tuple(example[name] for name in names),
            file,
            input_names=names,
            output_names=["output"],
            dynamic_shapes=dict.fromkeys(names, sizes),
            verbose=False,
        )


def _classifier(contestant: Contestant, model: MultitaskModel, encoder: str) -> tuple[Any, Any]:
    """Return transformers' classifier with the head of ours, and its tokenizer."""
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = find_encoder(encoder).folder
    dtype = torch.bfloat16 if contestant.precision == "bf16" else torch.float32
    peer = BertForSequenceClassification.from_pretrained(folder, num_labels=CLASSES, dtype=dtype)
    peer.classifier.load_state_dict(_linear(model, contestant.what).state_dict())
    return peer, AutoTokenizer.from_pretrained(folder)


def _linear(model: MultitaskModel, task: str) -> torch.nn.Linear:
    linear = model.head(task).get_submodule("linear")
    assert isinstance(linear, torch.nn.Linear)
    return linear


def _of_both(encode: Callable[[Sequence[str]], Outputs]) -> Answer:
    """Return what gives the cosine (pairs, 1) of the vectors of each pair's texts."""

    def answer(pairs: Sequence[Text]) -> Outputs:
        first, second = (encode(list(column)) for column in zip(*pairs, strict=True))
        lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        return ((first * second).sum(1) / lengths)[:, None]

    return answer


def _by_length(texts: Sequence[Text]) -> NDArray[np.int64]:
    """Return the texts' numbers, longest first."""
    return np.argsort([-len(text) if isinstance(text, str) else -sum(map(len, text)) for text in texts], kind="stable")
