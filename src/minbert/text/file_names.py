"""How the files of a tokenizer are called, on the hub and in a folder."""

from __future__ import annotations

TOKENIZER = "tokenizer.json"
WORD_PIECES = "vocab.txt"
BYTE_PAIRS = "vocab.json"
MERGES = "merges.txt"
"""Beside ``BYTE_PAIRS``: which pairs make which token."""
TOKENIZERS = (TOKENIZER, WORD_PIECES, BYTE_PAIRS)
"""Files that a tokenizer is read from; the first that is there is."""
ADDED = "added_tokens.json"
"""Beside ``WORD_PIECES`` and ``BYTE_PAIRS``: tokens that a vocabulary was given later."""
CONFIGURATION = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
UNREADABLE = ("sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model", "bpe.codes")
"""Files of tokenizers that the tokenizers library does not read."""
ALL = (*TOKENIZERS, MERGES, ADDED, CONFIGURATION, SPECIAL_TOKENS, *UNREADABLE)
