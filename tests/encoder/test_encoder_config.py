from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from minbert.encoder.config import EncoderConfig
from minbert.encoder.config_file import config_mapping, read_config
from minbert.errors import UserError

HUB = config_mapping(EncoderConfig())


def test_survives_the_way_to_the_hub_and_back() -> None:
    config = EncoderConfig(
        vocabulary_size=7,
        hidden_size=6,
        layers=5,
        attention_heads=3,
        intermediate_size=4,
        max_positions=9,
        segment_types=1,
        layer_norm_epsilon=1e-7,
        hidden_dropout=0.2,
        attention_dropout=0.3,
        initializer_range=0.5,
        padding_id=2,
    )
    assert read_config(config_mapping(config), "config.json") == config


def test_the_defaults_are_bert_base() -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertConfig().to_dict()
    ours = config_mapping(EncoderConfig())
    shared = ours.keys() & theirs.keys() - {"architectures"}
    assert len(shared) >= 14
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}


def test_a_file_may_leave_out_what_nearly_every_bert_shares() -> None:
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    bare = {key: HUB[key] for key in (*sizes, "max_position_embeddings")}
    assert read_config({**bare, "use_cache": True, "pad_token_id": None}, "config.json") == EncoderConfig()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_type": "t5"}, "model_type is 't5'; minbert reads encoders of type bert"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new'"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"add_cross_attention": True}, "add_cross_attention is True"),
        ({"hidden_size": None, "vocab_size": None}, "lacks vocab_size, hidden_size"),
        ({"num_hidden_layers": "12"}, "num_hidden_layers is '12'"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob is 1.0"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps is nan"),
        ({"layer_norm_eps": "1e-12"}, "layer_norm_eps is '1e-12'"),
        ({"num_attention_heads": 7}, "cannot be cut into 7 attention heads"),
        ({"pad_token_id": 30522}, "padding id 30522"),
        ({"vocab_size": 10**4000}, "vocab_size is 1000000"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
    ],
)
def test_what_is_no_bert_is_refused_by_file_and_key(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as error:
        read_config({**HUB, **change}, "folder/config.json")
    assert str(error.value).startswith("folder/config.json: ")
    assert told in str(error.value)
    assert len(str(error.value)) < 250


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(UserError, match=r"config\.json: holds a list"):
        read_config([1, 2], "config.json")


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError):
        EncoderConfig.model_validate({"hidden": 3})
