"""The ONNX graph with a page that runs it: no server answers, and no text leaves the browser."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from minbert.encoder.config_file import config_mapping
from minbert.export.formats.onnx import Onnx
from minbert.export.onnx.description import GRAPH
from minbert.files import write_json, write_text
from minbert.multitask.model import MultitaskModel

_PAGES = ("index.html", "page.css", "page.js", "minbert.js")


class Browser(Onnx):
    """What ``onnx`` writes, where transformers.js and onnxruntime-web look for it, and a page."""

    name = "browser"
    title = "the ONNX file with a page that asks all tasks in the browser"
    graph = f"onnx/{GRAPH}"

    def write(self, model: MultitaskModel, folder: Path) -> None:
        """See ``Format``."""
        (folder / self.graph).parent.mkdir()
        super().write(model, folder)
        write_json(folder / "config.json", config_mapping(model.encoder.config, model.tokenizer))
        for page in _PAGES:
            write_text(folder / page, files("minbert.export.browser").joinpath(page).read_text(encoding="utf-8"))

    def usage(self, model: MultitaskModel) -> str:  # noqa: ARG002
        """See ``Format``."""
        return """\
The page needs two packages of npm beside it, and any server of files:

```sh
npm install onnxruntime-web @huggingface/tokenizers
python -m http.server --bind 127.0.0.1 8000    # then open http://127.0.0.1:8000
```

`minbert.js` is the model for a page of your own: `load` it, then `await model.answer({TASK: [["A text."]]})`. All tasks
that are asked at once share one pass of the encoder."""
