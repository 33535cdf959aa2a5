"""Tokenizers as each family of encoders has them, trained on a few sentences; and tiny encoders of each family."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram, WordPiece
from tokenizers.trainers import BpeTrainer, UnigramTrainer, WordPieceTrainer

SENTENCES = [
    "hello world this is <s> a thing > < s and so",
    "more world words </s> ok <mask> <pad> <unk> [CLS] [MASK] don't 'tis café naïve ÉTÉ",
    "The quick brown fox, jumped (over) 12 lazy dogs! 漢字 and emoji 😀 are\n\ttext  too <|endoftext|>",
] * 6
OF_BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
OF_ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", tokenizers.AddedToken("<mask>", lstrip=True, special=True)]
CONFIGURED = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


def doubled(start: str, end: str, ids: dict[str, int]) -> processors.TemplateProcessing:
    """RoBERTa's frame."""
    return processors.TemplateProcessing(
        single=[start, "$A", end],
        pair=[start, "$A", end, end, "$B", end],
        special_tokens=[(token, ids[token]) for token in (start, end)],
    )


def bert() -> tokenizers.Tokenizer:
    made = word_pieces(OF_BERT, normalizers.BertNormalizer())
    frame = {"single": "[CLS] $A [SEP]", "pair": "[CLS] $A [SEP] $B:1 [SEP]:1"}
    made.post_processor = processors.TemplateProcessing(**frame, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return made


def cased_bert() -> tokenizers.Tokenizer:
    made = bert()
    made.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=True)
    return made


def mpnet() -> tokenizers.Tokenizer:
    made = word_pieces(["<s>", "<pad>", "</s>", "<unk>", *OF_BERT, OF_ROBERTA[-1]], normalizers.BertNormalizer())
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return made


def word_pieces(special: list[Any], normalizer: normalizers.Normalizer) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    trainer = WordPieceTrainer(vocab_size=140, special_tokens=special, limit_alphabet=90, show_progress=False)
    made.train_from_iterator(SENTENCES, trainer)
    return made


def byte_pairs(special: list[Any], *, prefix_space: bool = False) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=360, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(SENTENCES, trainer)
    return made


def roberta() -> tokenizers.Tokenizer:
    made = byte_pairs(OF_ROBERTA)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return made


def spaced_roberta() -> tokenizers.Tokenizer:
    """As those are that were trained on lists of words."""
    made = byte_pairs(OF_ROBERTA, prefix_space=True)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    return made


def modernbert() -> tokenizers.Tokenizer:
    made = byte_pairs(["<|endoftext|>"])
    made.normalizer = normalizers.NFC()
    made.add_tokens(["   ", "|||EMAIL|||"])
    made.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
    ids = made.get_vocab()
    frame = {"single": "[CLS] $A [SEP]", "pair": "[CLS] $A [SEP] $B [SEP]"}
    made.post_processor = processors.TemplateProcessing(
        **frame, special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")]
    )
    return made


def pieces(special: list[Any], unknown: int) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    made.train_from_iterator(
        SENTENCES, UnigramTrainer(vocab_size=90, special_tokens=special, unk_token="<unk>", show_progress=False)
    )
    content = json.loads(made.to_str())
    content["normalizer"] = None  # a compiled map, which only SentencePiece writes
    # Special tokens in the text are no pieces of it: only special ones have the score 0.
    content["model"]["unk_id"] = unknown
    made = tokenizers.Tokenizer.from_str(json.dumps(content))
    made.decoder = decoders.Metaspace()
    return made


def xlm_roberta() -> tokenizers.Tokenizer:
    made = pieces(OF_ROBERTA, 3)
    made.post_processor = doubled("<s>", "</s>", made.get_vocab())
    return made


def camembert() -> tokenizers.Tokenizer:
    made = pieces(["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>", OF_ROBERTA[-1]], 3)
    made.post_processor = doubled("<s>", "</s>", made.get_vocab())
    return made


MPNETS = CONFIGURED | {"unk_token": "[UNK]", "tokenizer_class": "MPNetTokenizer"}
PIECES = CONFIGURED | {"unk_token": "<unk>"}
FAMILIES: dict[str, tuple[Callable[[], tokenizers.Tokenizer], dict[str, Any]]] = {
    "bert": (bert, {"tokenizer_class": "BertTokenizer"}),
    "cased bert": (cased_bert, {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": True}),
    "mpnet": (mpnet, MPNETS),
    "roberta": (roberta, PIECES | {"tokenizer_class": "RobertaTokenizer"}),
    "spaced roberta": (spaced_roberta, PIECES | {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}),
    "xlm-roberta": (xlm_roberta, PIECES | {"tokenizer_class": "XLMRobertaTokenizer"}),
    "camembert": (camembert, PIECES | {"tokenizer_class": "CamembertTokenizer"}),
    "modernbert": (
        modernbert,
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **dict(zip(("unk_token", "cls_token", "sep_token", "pad_token", "mask_token"),
                       ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"), strict=True)),
        },
    ),
}  # fmt: skip
"""Each family's tokenizer, and its tokenizer_config.json."""


def backend(name: str) -> tokenizers.Tokenizer:
    """Return a family's tokenizer anew, the same one each time: training breaks ties by chance."""
    return tokenizers.Tokenizer.from_str(_trained(name))


@cache
def _trained(name: str) -> str:
    written: str = FAMILIES[name][0]().to_str()
    return written


def write(name: str, folder: Path) -> Path:
    """Write a family's tokenizer into a new folder."""
    folder.mkdir(parents=True)
    backend(name).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(FAMILIES[name][1]))
    return folder


def write_encoder(model_type: str, folder: Path) -> Path:
    """Write a family's tiny random encoder, with its tokenizer, into a new folder."""
    import torch

    from minbert.encoder.architectures import Architecture
    from minbert.encoder.encoder import Encoder
    from minbert.encoder.sources import save_encoder

    write(model_type if model_type in FAMILIES else "bert", folder)
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "layers": 2, "attention_heads": 4, "intermediate_size": 64, "max_positions": 68}
    vocabulary = backend(model_type if model_type in FAMILIES else "bert").get_vocab()
    padding = next(vocabulary[token] for token in ("<pad>", "[PAD]") if token in vocabulary)
    given = {"model_type": model_type, "vocabulary_size": len(vocabulary), "padding_id": padding}
    more = {"electra": {"embedding_size": 16}, "modernbert": {"hidden_dropout": 0.1, "local_attention": 6}}
    family = Architecture.members[model_type]
    save_encoder(Encoder(family.config_class(**given | sizes | more.get(model_type, {}))), folder)
    return folder
