"""A text translated into another language and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator

from minbert.augmentation.base import Augmentation, Augmenter, Draws
from minbert.errors import UserError
from minbert.files.paths import to_path
from minbert.methods import Settings

TEXTS_AT_ONCE = 16
"""Texts translated in one call, where the result is no matter of chance."""


class Translator(Settings):
    """A checkpoint that translates one way."""

    name: str = Field(min_length=1, description="a folder, or a model's id on the hub")
    prefix: str = Field("", description="what to put before each text, for models such as T5 that are told what to do")
    source: str | None = Field(None, description="many-language models: the tokenizer's code of the text's language")
    target: str | None = Field(None, description="many-language models: the token of the language to translate into")


class BackTranslation(Augmentation):
    """Each text goes through ``forth`` and what comes of it through ``back``.

    By beam search, chance plays no part: of several copies, the second is the second best way back, and so on. With
    ``sample``, each copy is drawn from the models' own distributions, both ways; texts are then translated one by one.
    A text longer than ``max_tokens`` (or than the model takes), or whose translation is, stays as it is.
    """

    name: ClassVar[str] = "back_translation"
    title: ClassVar[str] = "translated into another language and back"
    source: ClassVar[str] = "Sennrich, Haddow & Birch 2016, section 3; as augmentation: Xie et al. 2020, 'UDA'"

    forth: Translator = Field(description="a seq2seq checkpoint that translates out of the texts' language")
    back: Translator = Field(description="one that translates back from there")
    beams: int = Field(4, ge=1, description="how many translations beam search keeps; 1 is greedy")
    sample: bool = Field(False, description="draw translations by chance, instead of beam search")
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False, description="with sample: below 1 is less daring")
    max_tokens: int = Field(256, ge=1, description="longest text and translation, in the models' tokens")

    @field_validator("forth", "back", mode="before")
    @classmethod
    def _a_name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _beams_suffice(self) -> Self:
        if not self.sample and self.copies > self.beams:
            raise ValueError(
                f"{self.copies} copies are the {self.copies} best translations, so 'beams' must be at least as many "
                "(or set sample: true)"
            )
        return self

    def load(self, device: torch.device) -> BackTranslator:
        return BackTranslator(_Model(self.forth, self, device), _Model(self.back, self, device), self)


class BackTranslator(Augmenter):
    """Translates there and back."""

    def __init__(self, forth: _Model, back: _Model, settings: BackTranslation) -> None:
        self._forth = forth
        self._back = back
        self._settings = settings

    def rewrite(self, texts: Sequence[str], draws: Draws) -> list[list[str]]:
        if self._settings.sample:
            return [
                [self._draw(text, generator) for generator in generators]
                for text, generators in zip(texts, draws, strict=True)
            ]
        written = [[text] * len(generators) for text, generators in zip(texts, draws, strict=True)]
        # Texts of like length together, so that little is padded.
        order = sorted((n for n, copies in enumerate(written) if copies), key=lambda n: len(texts[n]))
        for start in range(0, len(order), TEXTS_AT_ONCE):
            batch = order[start : start + TEXTS_AT_ONCE]
            away = [best[0] for best in self._forth.translate([texts[number] for number in batch], 1)]
            there = [(number, text) for number, text in zip(batch, away, strict=True) if text]
            returned = self._back.translate([text for _, text in there], self._settings.copies)
            for (number, _), best in zip(there, returned, strict=True):
                written[number] = [
                    text or old for text, old in zip(best[: len(written[number])], written[number], strict=True)
                ]
        return written

    def _draw(self, text: str, generator: np.random.Generator) -> str:
        with torch.random.fork_rng(devices=self._forth.devices):
            torch.manual_seed(int(generator.integers(2**63)))
            away = self._forth.translate([text], 1)[0][0]
            return (self._back.translate([away], 1)[0][0] if away else "") or text


class _Model:
    """One way of translating, by the transformers library."""

    def __init__(self, translator: Translator, settings: BackTranslation, device: torch.device) -> None:
        try:
            from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
        except ImportError:
            raise UserError(
                "back translation runs its models by transformers, which is not installed. Run: "
                "pip install 'minbert[translation]'"
            ) from None
        folder = to_path(translator.name)
        name = str(folder) if folder.exists() else translator.name
        languages = {"src_lang": translator.source} if translator.source is not None else {}
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **languages)
            model = AutoModelForSeq2SeqLM.from_pretrained(name, trust_remote_code=False)
        except (OSError, ValueError, ImportError, KeyError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UserError(
                f"back_translation: '{translator.name}' cannot be loaded as a seq2seq model ({reason}). Give a folder "
                "or an id such as Helsinki-NLP/opus-mt-en-de. Some tokenizers need a package of their own: "
                "pip install 'minbert[translation]'"
            ) from error
        self._tokenizer: Any = tokenizer
        self._model: Any = model.eval().to(device)
        self._prefix = translator.prefix
        self._max_tokens = min(
            settings.max_tokens, getattr(model.config, "max_position_embeddings", None) or settings.max_tokens
        )
        self._search: dict[str, Any] = {"num_beams": settings.beams, "do_sample": False}
        if settings.sample:
            self._search = {"num_beams": 1, "do_sample": True, "temperature": settings.temperature, "top_k": 0}
        if translator.target is not None:
            known = tokenizer.get_vocab()
            if translator.target not in known:
                raise UserError(f"back_translation: '{translator.name}' has no language token '{translator.target}'.")
            self._search["forced_bos_token_id"] = known[translator.target]
        self.devices = [device] if device.type == "cuda" else []

    @torch.inference_mode()
    def translate(self, texts: Sequence[str], best: int) -> list[list[str]]:
        """Return the ``best`` likeliest translations of each text; empty where text or translation is too long."""
        if not texts:
            return []
        encoded = self._tokenizer([self._prefix + text for text in texts])["input_ids"]
        fit = [number for number, ids in enumerate(encoded) if 0 < len(ids) <= self._max_tokens]
        translated = [[""] * best for _ in texts]
        if not fit:
            return translated
        batch = self._tokenizer.pad({"input_ids": [encoded[number] for number in fit]}, return_tensors="pt")
        made = self._model.generate(
            input_ids=batch["input_ids"].to(self._model.device),
            attention_mask=batch["attention_mask"].to(self._model.device),
            max_new_tokens=self._max_tokens,
            num_return_sequences=best,
            **self._search,
        ).cpu()
        for row, ids in enumerate(made):
            # One that fills all the room was cut off. Its last token does not tell: some models force an end there.
            if int((ids[1:] != self._model.generation_config.pad_token_id).sum()) < self._max_tokens:
                text = self._tokenizer.decode(ids, skip_special_tokens=True)
                translated[fit[row // best]][row % best] = text.strip()
        return translated
