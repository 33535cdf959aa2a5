"""ONNX: one graph of all tasks, for onnxruntime in any language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from minbert.encoder.architectures import architecture_of
from minbert.export.carrying import EXACT, Carried, Exported
from minbert.export.formats.base import Format
from minbert.export.onnx.description import GRAPH, write_description
from minbert.export.onnx.padded import PaddedNetwork
from minbert.multitask.model import MultitaskModel


class Onnx(Format):
    """``model.onnx``, ``minbert.json`` and the tokenizer's files."""

    name = "onnx"
    title = "one ONNX file with all tasks after one pass of the encoder"
    packages = ("onnx", "onnxscript")
    extra = "onnx"
    graph: ClassVar[str] = GRAPH
    """Where in the folder the graph stands."""

    def carries(self, exported: Exported) -> Carried:  # noqa: ARG002
        """See ``Format``: whatever a recipe can build is in the graph, and what follows from logits in the JSON."""
        return EXACT

    def write(self, model: MultitaskModel, folder: Path) -> None:
        """See ``Format``."""
        from minbert.export.onnx.graph import write_graph

        padded = PaddedNetwork(model)
        write_graph(padded, folder / self.graph)
        write_description(model, padded, folder)
        family = architecture_of(model.encoder.config)
        model.tokenizer.save(folder, family.template(model.tokenizer), segments=padded.reads_segments)

    def usage(self, model: MultitaskModel) -> str:
        """See ``Format``."""
        task = next(iter(model.tasks))
        row = ["A text of your own.", *(["Another one."] if model.tasks[task].pair else [])]
        return _USAGE.replace("TASK", task).replace("ROW", json.dumps(row))


_USAGE = """\
`minbert predict . --engine onnx --task TASK` answers as for a run, and `minbert encode . --engine onnx` encodes.
`minbert.json` tells other programs the rest:

- `inputs`: int64, for S sequences of at most L tokens; padding stands behind the tokens.
- `sequences` of a task: what a row reads. Its input `rows` (R, n) says which of the S these are. A task that is not
  asked gets one row of zeros.
- `activation` makes probabilities of `logits`, and `decision` says what is answered then.
- The output `sentence_embedding` (S, hidden) is the mean that `minbert encode` writes.

```python
import json
import numpy as np, onnxruntime, tokenizers

about, task, row = json.load(open("minbert.json")), "TASK", ROW
tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
tokenizer.encode_special_tokens = True  # a special token in a text is text
tokenizer.enable_truncation(about["max_length"])
tokenizer.enable_padding(pad_id=about["padding_id"])
read = {"first": row[0], "second": row[-1], "joined": tuple(row)}
asked = about["tasks"][task]
encoded = tokenizer.encode_batch([read[which] for which in asked["sequences"]])
inputs = {other["rows"]: [[0] * len(other["sequences"])] for other in about["tasks"].values()}
inputs |= {asked["rows"]: [[*range(len(encoded))]], "adapter": [asked["adapter"]] * len(encoded)}
inputs |= {"input_ids": [one.ids for one in encoded], "attention_mask": [one.attention_mask for one in encoded]}
inputs["token_type_ids"] = [one.type_ids for one in encoded]
session = onnxruntime.InferenceSession("model.onnx")
fed = {given.name: np.array(inputs[given.name]) for given in session.get_inputs()}
print(session.run([asked["logits"]], fed))
```"""
