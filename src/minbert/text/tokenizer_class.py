"""The class of transformers that a tokenizer is: each builds its parts anew, whatever stands in tokenizer.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minbert.text.template import Template

_WORD_PIECE = {"type": "WordPiece", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
_BYTE_PAIR = {"type": "BPE", "dropout": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
_CAMEMBERTS_OWN = "<s>NOTUSED"
_ANY = "PreTrainedTokenizerFast"
"""The class that takes tokenizer.json as it is."""


def class_settings(content: Mapping[str, Any], template: Template) -> dict[str, Any]:
    """Return ``tokenizer_class``, and its settings, of a tokenizer_config.json.

    Args:
        content: of the tokenizer.json.
        template: how sequences are framed.

    It is a family's own class where that makes the same ids, else the one that takes the file as it is.
    """
    model = {key: value for key, value in content["model"].items() if key not in ("vocab", "merges")}
    read = {"WordPiece": _of_word_pieces, "BPE": _of_byte_pairs, "Unigram": _of_pieces}.get(model["type"])
    doubled = template.between == 2 * template.end
    settings = read(content, model, doubled) if read is not None and _only_special_tokens_added(content) else None
    return settings or {"tokenizer_class": _ANY}


def _only_special_tokens_added(content: Mapping[str, Any]) -> bool:
    """Return whether all tokens that stand beside the model's vocabulary are special ones, and in it as well."""
    count = len(content["model"]["vocab"])
    return all(token["special"] and token["id"] < count for token in content["added_tokens"])


def _of_word_pieces(content: Mapping[str, Any], model: dict[str, Any], doubled: bool) -> dict[str, Any] | None:
    normalizer = content["normalizer"] or {}
    model.pop("unk_token")
    if (
        model != _WORD_PIECE
        or normalizer.get("type") != "BertNormalizer"
        or not normalizer["clean_text"]
        or content["pre_tokenizer"] != {"type": "BertPreTokenizer"}
    ):
        return None
    return {
        "tokenizer_class": "MPNetTokenizer" if doubled else "BertTokenizer",
        "do_lower_case": normalizer["lowercase"],
        "strip_accents": normalizer["strip_accents"],
        "tokenize_chinese_chars": normalizer["handle_chinese_chars"],
    }


def _of_byte_pairs(content: Mapping[str, Any], model: dict[str, Any], doubled: bool) -> dict[str, Any] | None:
    affixes = (model.pop("unk_token"), model.pop("continuing_subword_prefix"), model.pop("end_of_word_suffix"))
    splitter = dict(content["pre_tokenizer"] or {})
    prefix_space = splitter.pop("add_prefix_space", None)
    splitter.pop("trim_offsets", None)
    if (
        not doubled
        or model != _BYTE_PAIR
        or any(affixes)
        or content["normalizer"] is not None
        or splitter != {"type": "ByteLevel", "use_regex": True}
    ):
        return None
    return {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": prefix_space}


def _of_pieces(content: Mapping[str, Any], model: dict[str, Any], doubled: bool) -> dict[str, Any] | None:
    normalizer = content["normalizer"] or {}
    steps = normalizer["normalizers"] if normalizer.get("type") == "Sequence" else [normalizer]
    # XLM-RoBERTa's also makes one space of several; those that split at spaces do without.
    kinds = [step.get("type", "Precompiled") for step in steps]
    splitters = (content["pre_tokenizer"] or {}).get("pretokenizers", [])
    pieces = [piece for piece, _ in content["model"]["vocab"]]
    camembert = _CAMEMBERTS_OWN in pieces
    if (
        not doubled
        or model["byte_fallback"]
        or model["unk_id"] != (pieces.index("<unk>") if "<unk>" in pieces else None)
        or (not camembert and model["unk_id"] != 3)
        or kinds not in (["Precompiled"], ["Precompiled", "Replace"])
        or (len(steps) == 2 and (steps[1]["pattern"], steps[1]["content"]) != ({"Regex": " {2,}"}, " "))
        or [splitter.get("type") for splitter in splitters] != ["WhitespaceSplit", "Metaspace"]
        or splitters[1]["replacement"] != "▁"
        or splitters[1].get("prepend_scheme") not in ("always", "never")
        or not splitters[1].get("split")
    ):
        return None
    return {
        "tokenizer_class": "CamembertTokenizer" if camembert else "XLMRobertaTokenizer",
        "add_prefix_space": splitters[1]["prepend_scheme"] == "always",
    }
