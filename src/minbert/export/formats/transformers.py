"""transformers: the encoder for ``AutoModel``, and each task for ``AutoModelForSequenceClassification``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from minbert.encoder.sentence_transformers_files import NO_CLASSIFIER
from minbert.export.carrying import EXACT, Carried, Exported
from minbert.export.formats.base import Format
from minbert.export.layers import (
    chain,
    encoder_tensors,
    inner_layers,
    labels,
    save_encoder_files,
    task_folder,
    why_no_chain,
)
from minbert.export.repository import TEXTS, Repository, task_sections
from minbert.multitask.model import MultitaskModel
from minbert.run_folder.card_texts import HERE


class Transformers(Format):
    """A folder for ``AutoModel``, and in it one for each task, with the encoder's weights once more."""

    name: ClassVar[str] = "transformers"
    title: ClassVar[str] = "the encoder for AutoModel, and a folder a task for pipeline('text-classification')"

    def carries(self, exported: Exported) -> Carried:
        """See ``Format``. A task is carried where its layers are those of the family's classifier."""
        if why := why_no_chain(exported):
            return Carried("refused", why)
        family = exported.family
        if exported.task.pooling == "mean" or inner_layers(exported) != [
            (exported.width, family.classifier_activation)
        ]:
            return Carried("refused", f"transformers' classifier of this family is {family.classifier_told}")
        if decision := exported.task.kind.own_decision:
            return Carried("logits only", decision)
        return EXACT

    def write(self, model: MultitaskModel, folder: Path) -> None:
        """See ``Format``."""
        tensors = encoder_tensors(model)
        save_encoder_files(model, tensors, folder, NO_CLASSIFIER)
        for name in model.tasks:
            self._write_task(model, name, tensors, task_folder(folder, name))

    def usage(self, model: MultitaskModel) -> str:
        """See ``Format``."""
        sections = task_sections({name: _usage(model, name, f"FOLDER/{name}") for name in model.tasks})
        return f"{_ENCODER.replace('MAX', str(model.max_length))}\n\n{sections}"

    def metadata(self, model: MultitaskModel) -> Mapping[str, Any]:  # noqa: ARG002
        """See ``Format``."""
        return {"library_name": "transformers", "pipeline_tag": "feature-extraction"}

    def _write_task(self, model: MultitaskModel, name: str, tensors: Mapping[str, Tensor], folder: Path) -> None:
        family, kind = model.encoder.architecture, model.task(name).kind
        pooler = tuple(f"{module}." for module in family.modules.get("pooler", ()))
        inside = {f"{family.prefix}{key}": value for key, value in tensors.items() if not key.startswith(pooler)}
        first, last = chain(model, name, tensors).layers
        weight, bias = last.weight, last.bias
        if kind.outputs < len(kind.class_names):
            # Of one logit most readers take a softmax, which is always 1. Of two, 0 and z, it is 1 - p and p.
            weight, bias = torch.cat([torch.zeros_like(weight), weight]), torch.cat([torch.zeros_like(bias), bias])
        for module, layer in zip(family.classifier_layers, ((first.weight, first.bias), (weight, bias)), strict=True):
            inside |= {f"{module}.weight": layer[0].contiguous(), f"{module}.bias": layer[1].contiguous()}
        config = {
            "architectures": [family.classifier_class],
            "problem_type": kind.problem_type,
            **labels(kind.class_names or [name]),
        }
        save_encoder_files(model, inside, folder, config)
        Repository(model, name, self.carries(Exported.of(model, name)), "transformers", "text-classification").write(
            folder, _usage(model, name, HERE)
        )


_ENCODER = f'''The folder itself is the encoder:

```python
import torch
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{HERE}")
encoder = AutoModel.from_pretrained("{HERE}")
inputs = tokenizer({TEXTS!r}, padding=True, truncation=True, max_length=MAX, return_tensors="pt")
with torch.no_grad():
    states = encoder(**inputs).last_hidden_state
mask = inputs["attention_mask"].unsqueeze(-1)
vectors = (states * mask).sum(1) / mask.sum(1)
```'''


def _usage(model: MultitaskModel, name: str, place: str) -> str:
    """Return how a task's folder is asked."""
    task = model.task(name)
    asked = repr(TEXTS[0]) if task.pair is None else f'{{"text": {TEXTS[0]!r}, "text_pair": {TEXTS[1]!r}}}'
    told = "each class with its probability" if task.kind.class_names else "the score"
    return f'''```python
from transformers import pipeline

ask = pipeline("text-classification", "{place}")
print(ask({asked}, top_k=None, truncation=True))  # {told}
```'''
