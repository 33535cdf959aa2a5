"""The tokens that are no text: what each is for, where files say so, and how a text is kept from becoming one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import tokenizers

from minbert.errors import UserError
from minbert.files.json_text import read_object
from minbert.text.file_names import CONFIGURATION, SPECIAL_TOKENS

BERT = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
"""BERT's, under the names of special_tokens_map.json."""
ROBERTA = {
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
}
"""RoBERTa's."""


def told_special_tokens(folder: Path) -> dict[str, str]:
    """Return what a folder's tokenizer_config.json, else its special_tokens_map.json, says of the five tokens.

    Raises:
        UserError: a file is damaged.
    """
    told: dict[str, str] = {}
    for file in (folder / SPECIAL_TOKENS, folder / CONFIGURATION):
        content = read_object(file) if file.is_file() else {}
        for key in BERT:
            value = content.get(key)
            token = value.get("content") if isinstance(value, dict) else value
            if token is not None and not isinstance(token, str):
                raise UserError(f"{file}, key '{key}': must be a token, not {value!r:.80}.")
            if token:
                told[key] = token
    return told


def special_tokens_of(backend: tokenizers.Tokenizer) -> dict[str, str]:
    """Return what a tokenizer's own file says: by how it frames a text, and what it takes for an unknown one."""
    told = {}
    framed = backend.encode("")
    frame = [token for token, special in zip(framed.tokens, framed.special_tokens_mask, strict=True) if special]
    if len(frame) >= 2:
        told = {"cls_token": frame[0], "sep_token": frame[-1]}
    unknown = getattr(backend.model, "unk_token", None)
    return told | ({"unk_token": unknown} if unknown else {})


def complete(told: Mapping[str, str], find: Callable[[str], int | None], origin: object) -> dict[str, str]:
    """Return all five special tokens: those that files tell, the others as BERT or RoBERTa has them.

    Args:
        told: those that files tell, under the names of special_tokens_map.json.
        find: gives a token's id, or None where the vocabulary lacks it.
        origin: the vocabulary's file, for messages.

    Raises:
        UserError: the vocabulary lacks one of them.
    """
    usual = BERT if find(ROBERTA["cls_token"]) is None or find(ROBERTA["sep_token"]) is None else ROBERTA
    tokens = usual | dict(told)
    missing = [token for token in tokens.values() if find(token) is None]
    if missing:
        raise UserError(
            f"{origin}: the vocabulary lacks {', '.join(missing)}. Is it the vocabulary of an encoder, and whole?"
        )
    return tokens


def mark_special(backend: tokenizers.Tokenizer, tokens: Iterable[str]) -> None:
    """Have ``backend`` hold ``tokens`` for special: some files list [SEP] and the like as plain tokens, or nowhere.

    Only special ones heed its ``encode_special_tokens``.
    """
    added = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    for token in tokens:
        known = added.get(token)
        if known is None:  # transformers has RoBERTa's mask take in the space before it
            known = tokenizers.AddedToken(token, lstrip=token == ROBERTA["mask_token"], normalized=False)
        if not known.special:
            known.special = True
            backend.add_special_tokens([known])


def model_vocabulary(content: Mapping[str, Any]) -> dict[str, int]:
    """Return the ids of a tokenizer.json's vocabulary, without tokens that were added to it."""
    vocabulary = content["model"]["vocab"]
    if isinstance(vocabulary, list):
        return {piece: index for index, (piece, _) in enumerate(vocabulary)}
    return dict(vocabulary)


def without(special: Collection[str], content: Mapping[str, Any]) -> tokenizers.models.Model:
    """Return the model of a tokenizer.json with this ``content``, with no way from a text to the ``special`` tokens.

    A model finds whatever stands in its vocabulary: that of XLM-RoBERTa reads ``<s>`` in a text as the beginning of a
    sequence, which SentencePiece, for which it was made, does not. Ids stay: what must keep its place in the vocabulary
    has an empty name there, which no piece of a text has.
    """
    settings = {key: value for key, value in content["model"].items() if value is not None}
    vocabulary, kind = settings.pop("vocab"), settings.pop("type")
    if isinstance(vocabulary, list):
        settings["vocab"] = [("" if piece in special else piece, score) for piece, score in vocabulary]
    else:
        unknown = settings.get("unk_token")
        settings["vocab"] = {token: index for token, index in vocabulary.items() if token not in special}
        if unknown in vocabulary:
            settings["vocab"][""], settings["unk_token"] = vocabulary[unknown], ""
    if "merges" in settings:
        prefix = settings.get("continuing_subword_prefix", "")
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in settings["merges"]]
        settings["merges"] = [
            (left, right)
            for left, right in pairs
            if not {left, right, left + right.removeprefix(prefix)}.intersection(special)
        ]
    made: tokenizers.models.Model = getattr(tokenizers.models, kind)(**settings)
    return made
