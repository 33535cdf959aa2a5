from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from minbert.encoder.architectures.modernbert import ModernBertConfig
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
    with pytest.raises(UserError, match=r"config\.json: must be a JSON object of the encoder's settings\."):
        read_config([1, 2], "config.json")


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError):
        EncoderConfig.model_validate({"hidden": 3})


MODERN = config_mapping(ModernBertConfig(vocabulary_size=9, padding_id=2, layers=5))
GLOBAL, LOCAL = "full_attention", "sliding_attention"


def test_a_modernbert_of_older_and_of_newer_files() -> None:
    config = read_config(MODERN | {"global_rope_theta": 5.0, "global_attn_every_n_layers": 2}, "config.json")
    assert isinstance(config, ModernBertConfig)
    assert [config.attends_to_all(number) for number in range(5)] == [True, False, True, False, True]
    assert (config.global_base, config.local_base) == (5.0, 10_000.0)
    newer = {key: value for key, value in MODERN.items() if "rope_theta" not in key and "every" not in key}
    newer["layer_types"] = [GLOBAL, LOCAL, GLOBAL, LOCAL, GLOBAL]
    newer["rope_parameters"] = {GLOBAL: {"rope_type": "default", "rope_theta": 5.0}, LOCAL: {"rope_theta": 1e4}}
    assert read_config(newer, "config.json") == config


def test_a_modernbert_s_window_is_twice_its_half() -> None:
    """As transformers has it, where a file says both."""
    config = read_config(MODERN | {"local_attention": 128, "sliding_window": 2}, "config.json")
    assert isinstance(config, ModernBertConfig)
    assert config.local_attention == 4


@pytest.mark.parametrize("turns", [None, {}, {GLOBAL: None}, {LOCAL: {"rope_type": "default", "rope_theta": None}}])
def test_a_modernbert_whose_rope_parameters_say_nothing_keeps_its_own(turns: Any) -> None:
    changed = MODERN | {"global_rope_theta": 5.0, "local_rope_theta": 7.0, "rope_parameters": turns}
    config = read_config(changed, "config.json")
    assert isinstance(config, ModernBertConfig)
    assert (config.global_base, config.local_base) == (5.0, 7.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer_types": [GLOBAL, GLOBAL, LOCAL, LOCAL, GLOBAL]}, "layer_types is .* whose first layer, and every"),
        ({"layer_types": [LOCAL] * 5}, "layer_types is"),
        ({"layer_types": 3}, "layer_types is 3"),
        ({"layer_types": [GLOBAL, LOCAL, LOCAL, GLOBAL]}, "kinds of 4 layers, and num_hidden_layers is 5"),
        ({"sliding_window": "2"}, "sliding_window is '2', not a number"),
        ({"sliding_window": 0}, "local_attention is 0"),
        (
            {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5.0}},
            "rope_parameters is .*'linear'",
        ),
        ({"rope_parameters": {"rope_theta": 5.0}}, "rope_parameters is .*'full_attention' and of 'sliding_attention'"),
        ({"rope_parameters": [1]}, r"rope_parameters is \[1\]"),
        ({"rope_parameters": {GLOBAL: 5}}, "rope_parameters is {'full_attention': 5}"),
        ({"rope_parameters": {LOCAL: {"type": "linear", "factor": 2.0}}}, "rope_type is 'linear', so its RoPE"),
        ({"rope_parameters": {GLOBAL: {"rope_type": "yarn", "rope_theta": 5.0}}}, "rope_type is 'yarn', so its RoPE"),
        ({"rope_parameters": {LOCAL: {"rope_theta": "far"}}}, "local_rope_theta is 'far'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling is .*, so its RoPE is stretched"),
        ({"norm_bias": True}, "norm_bias is True, so its norms have biases"),
        ({"hidden_activation": "silu"}, "hidden_activation is 'silu', an activation"),
    ],
)
def test_a_modernbert_that_is_another_one_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=rf"there/config\.json: .*{words}"):
        read_config(MODERN | changes, "there/config.json")
