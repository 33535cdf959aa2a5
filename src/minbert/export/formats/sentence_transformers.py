"""sentence-transformers: the encoder, and each task as a ``SentenceTransformer`` or a ``CrossEncoder``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from minbert.encoder.sentence_transformers_files import (
    NO_CLASSIFIER,
    DenseLayer,
    Sizes,
    save_cross_encoder,
    save_sentence_transformer,
)
from minbert.export.carrying import EXACT, Carried, Exported
from minbert.export.formats.base import Format
from minbert.export.layers import (
    Chain,
    chain,
    encoder_tensors,
    labels,
    save_encoder_files,
    task_folder,
    why_no_chain,
    why_no_plain_encoder,
)
from minbert.export.repository import TEXTS, Repository, task_sections
from minbert.multitask.model import MultitaskModel
from minbert.run_folder.card_texts import HERE
from minbert.tasks.heads.cosine import Cosine
from minbert.tasks.settings import TaskSettings


class SentenceTransformers(Format):
    """A folder for ``SentenceTransformer``, and in it one for each task, with the encoder's weights once more."""

    name: ClassVar[str] = "sentence-transformers"
    title: ClassVar[str] = "the encoder as SentenceTransformer, and a folder a task as that or as CrossEncoder"

    def carries(self, exported: Exported) -> Carried:
        """See ``Format``."""
        task = exported.task
        if why := why_no_plain_encoder(exported) if _is_similarity(task) else why_no_chain(exported):
            return Carried("refused", why)
        if _is_similarity(task):
            return Carried("logits only", f"the score is {_stretch(task)}; {task.kind.own_decision}")
        if task.pair is None:
            lost = "encode gives the logits, and what they say is to be worked out from them"
            return Carried("logits only", f"{lost}; {task.kind.own_decision}" if task.kind.own_decision else lost)
        if decision := task.kind.own_decision:
            return Carried("logits only", decision)
        return EXACT

    def write(self, model: MultitaskModel, folder: Path) -> None:
        """See ``Format``."""
        tensors = encoder_tensors(model)
        sizes = Sizes(model.encoder.config.hidden_size, model.max_length)
        save_encoder_files(model, tensors, folder, NO_CLASSIFIER)
        save_sentence_transformer(folder, sizes)
        for name, task in model.tasks.items():
            place = task_folder(folder, name)
            names = task.kind.class_names if task.kind.outputs > 1 else [name]
            save_encoder_files(model, tensors, place, labels(names) if task.pair == "cross" else NO_CLASSIFIER)
            pooling, layers = _similarity(model, name, tensors) if _is_similarity(task) else chain(model, name, tensors)
            if task.pair == "cross":
                probabilities = task.kind.problem_type == "multi_label_classification" or _is_yes_no(task)
                save_cross_encoder(place, sizes, pooling, layers, probabilities=probabilities)
            else:
                save_sentence_transformer(place, sizes, pooling, layers)
            carried = self.carries(Exported.of(model, name))
            Repository(model, name, carried, self.name, _pipeline(task)).write(place, _usage(task, HERE))

    def usage(self, model: MultitaskModel) -> str:
        """See ``Format``."""
        sections = task_sections({name: _usage(task, f"FOLDER/{name}") for name, task in model.tasks.items()})
        return f"{_ENCODER}\n\n{sections}"

    def metadata(self, model: MultitaskModel) -> Mapping[str, Any]:  # noqa: ARG002
        """See ``Format``."""
        widget = [{"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}]
        return {"library_name": self.name, "pipeline_tag": "sentence-similarity", "widget": widget}


_ENCODER = f'''The folder itself is the encoder:

```python
from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer("{HERE}")
vectors = encoder.encode({TEXTS!r})
print(encoder.similarity(vectors, vectors))
```'''


def _is_similarity(task: TaskSettings) -> bool:
    """Return whether a task's score is the cosine of two texts' vectors, each read by itself."""
    return isinstance(task.head, Cosine) and task.pair == "bi"


def _is_yes_no(task: TaskSettings) -> bool:
    return task.kind.outputs < len(task.kind.class_names)


def _similarity(model: MultitaskModel, name: str, tensors: Mapping[str, Any]) -> Chain:
    """Return what makes the vectors that a cosine head compares."""
    pooling = model.task(name).pooling
    if pooling != "pooler":
        return Chain(pooling, [])
    (pooler,) = model.encoder.architecture.modules["pooler"]
    return Chain("cls", [DenseLayer(tensors[f"{pooler}.weight"], tensors[f"{pooler}.bias"], "tanh")])


def _stretch(task: TaskSettings) -> str:
    """Return how a cosine becomes a score."""
    assert isinstance(task.head, Cosine)
    low, high = task.kind.bounds or (0.0, 1.0)
    share = "similarity" if task.head.lowest_cosine == 0 else "(similarity + 1) / 2"
    return f"{low:g} + {high - low:g} * {share}"


def _pipeline(task: TaskSettings) -> str:
    """Return what the hub calls what a task's folder does."""
    if _is_similarity(task):
        return "sentence-similarity"
    return "text-ranking" if task.pair == "cross" and task.kind.outputs == 1 else "text-classification"


def _usage(task: TaskSettings, place: str) -> str:
    """Return how a task's folder is asked."""
    if task.pair == "cross":
        several = task.kind.outputs > 1 and task.kind.problem_type == "single_label_classification"
        softmax = ", apply_softmax=True" if several else ""
        return f'''```python
from sentence_transformers import CrossEncoder

model = CrossEncoder("{place}")
print(model.predict([({TEXTS[0]!r}, {TEXTS[1]!r})]{softmax}))  # {_told(task)}
```'''
    if _is_similarity(task):
        asked = f"""similarity = model.similarity(*model.encode({TEXTS[:2]!r}, convert_to_tensor=True))
print({_stretch(task)})  # the score"""
    else:
        answer = {
            "single_label_classification": "logits.sigmoid()" if _is_yes_no(task) else "logits.softmax(-1)",
            "multi_label_classification": "logits.sigmoid()",
        }.get(task.kind.problem_type, "logits")
        asked = f"""logits = model.encode({TEXTS[:1]!r}, convert_to_tensor=True)
print({answer})  # {_told(task)}"""
    return f'''```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{place}")
{asked}
```'''


def _told(task: TaskSettings) -> str:
    """Return what the numbers are."""
    if _is_yes_no(task):
        return "the probability of yes"
    if task.kind.class_names:
        return "the probabilities of the classes, in their order"
    return "the score"
