"""What the main routes take and give, as pydantic models: they check requests and describe both in OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Text = Annotated[str, Field(json_schema_extra={"pattern": r"[^\s\u001c-\u001f\u0085]"})]
"""Not blank, as Python knows it: for JavaScript U+001C to U+001F and U+0085 are no space. ``Service.ask`` says so."""
Texts = Annotated[list[Text], Field(min_length=1)]


class Body(BaseModel):
    """What a request holds: of the types that are described, and no other keys."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.keys() - cls.model_fields.keys():
            # The key itself is not told: what was sent is not to be found in answers.
            raise ValueError(f"a key is not known. Known are: {', '.join(cls.model_fields)}")
        return value


Truncate = Annotated[bool, Field(description="cut texts that are too long, rather than refuse them")]
Inputs = Annotated[
    list[Text | tuple[Text, Text]],
    Field(min_length=1, description="texts, or pairs of texts, as the task takes them"),
]


class PredictBody(Body):
    """Texts or pairs for one task."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"inputs": ["A quiet, generous film.", "Two hours of shouting."]},
                {"inputs": [["How do I cook rice?", "What is the way to cook rice?"]], "truncate": True},
            ]
        }
    )

    inputs: Inputs
    truncate: Truncate = False

    @field_validator("inputs", mode="before")
    @classmethod
    def _texts_or_pairs(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        for row, given in enumerate(value):
            parts = given if isinstance(given, list) and len(given) == 2 else [given]
            if not all(isinstance(part, str) for part in parts):
                raise ValueError(f'input {row} is neither a text nor a pair: ["first text", "second text"]')
        # JSON has no tuples, and a strict model takes no list for one.
        return [tuple(given) if isinstance(given, list) else given for given in value]


class AnalyzeBody(PredictBody):
    """Texts or pairs for all tasks that take them."""


class EmbeddingsBody(Body):
    """OpenAI's request for embeddings, and two keys of ours."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"input": ["A sentence.", "Another one."]}]})

    input: Text | Texts = Field(description="a text, or texts")
    model: str | None = Field(None, description="the served model's id, as GET /v1/models tells it")
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="numbers, or base64 of little-endian float32"
    )
    dimensions: None = Field(None, description="refused: the vectors have one length")
    user: str | None = Field(None, description="taken, for OpenAI's clients, and not used")
    truncate: Truncate = False
    normalize: bool = Field(True, description="vectors of length 1, as OpenAI gives them; else as minbert encode does")

    @field_validator("input", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if isinstance(value, list) and any(isinstance(item, int | list | tuple) for item in value):
            raise ValueError(
                "give texts, not token ids: another model's ids mean nothing here. "
                "LangChain's OpenAIEmbeddings sends texts with check_embedding_ctx_length=False"
            )
        return value

    @field_validator("dimensions", mode="before")
    @classmethod
    def _whole_vectors(cls, value: Any) -> Any:
        if value is not None:
            raise ValueError("vectors cannot be shortened: leave dimensions out")
        return value


class RerankBody(Body):
    """A query, and documents to be put in order by a task on pairs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"query": "cook rice", "documents": ["How to boil rice.", "A train over a river."]}]
        }
    )

    query: Text
    documents: Texts
    task: str | None = Field(None, description="a task on pairs; needed where several have a score")
    top_n: int | None = Field(None, ge=1, description="how many of the best; all where not given")
    truncate: Truncate = False

    @field_validator("top_n", mode="before")
    @classmethod
    def _whole_number(cls, value: Any) -> Any:
        return int(value) if isinstance(value, float) and value.is_integer() else value  # JSON's 3.0 is 3


class Problem(BaseModel):
    """An item that cannot be used."""

    model_config = ConfigDict(extra="allow")

    input: int | None = Field(None, description="which input, from 0")


class ErrorInside(BaseModel):
    """What went wrong, in OpenAI's shape."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    code: str = Field(examples=["text_too_long"])
    problems: list[Problem] | None = None


class Error(BaseModel):
    """The shape of every answer that is no success."""

    error: ErrorInside


class Said(BaseModel):
    """What one task says of one text or pair. An item without an answer has ``error`` alone."""

    prediction: str | list[str] | float | None = Field(
        None, description="a class, a list of classes, or a score; yes and no are 1 and 0"
    )
    probabilities: dict[str, float] | None = Field(None, description="of every class")
    error: ErrorInside | None = None


class Predicted(Said):
    """An answer, and what of the input was read."""

    tokens_seen: int = Field(description="special tokens included; the two texts of a pair together")
    tokens_total: int = Field(description="more than were seen where the text was cut")


class Predictions(BaseModel):
    """The answers of one task, in the order of the inputs."""

    model: str
    task: str
    predictions: list[Predicted]


class Analysis(BaseModel):
    """What all tasks say of one text or pair."""

    tasks: dict[str, Said]
    tokens_seen: int
    tokens_total: int


class Analyses(BaseModel):
    """The answers of all tasks, in the order of the inputs."""

    model: str
    analyses: list[Analysis]


class Embedding(BaseModel):
    """One sentence vector."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str
    tokens_seen: int
    tokens_total: int


class Usage(BaseModel):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    """OpenAI's answer, and how much of each text was read."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: Usage


class Ranked(BaseModel):
    """A document's place."""

    index: int
    relevance_score: float
    tokens_seen: int
    tokens_total: int


class Ranking(BaseModel):
    """The documents by their score, the best first."""

    model: str
    task: str
    results: list[Ranked]


class TaskCard(BaseModel):
    """One task of the model."""

    kind: str
    takes: Literal["text", "pair"]
    answer: str
    classes: list[str]
    thresholds: dict[str, float] = Field(description="from which probability on a class is answered, if it has one")
    range: tuple[float, float] | None
    ranks: bool = Field(description="whether POST /v1/rerank can put documents in order by it")


class LimitsCard(BaseModel):
    """What one request may hold; for one text and for lists alike."""

    tokens_per_text: int = Field(description="special tokens included; a pair that is read joined counts as one text")
    characters_per_text: int
    texts_per_request: int
    tokens_per_request: int
    bytes_per_request: int


class ModelCard(BaseModel):
    """The served model, in OpenAI's shape with more keys."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    dimensions: int
    precision: str
    tasks: dict[str, TaskCard]
    limits: LimitsCard


class ModelCards(BaseModel):
    """All models that are served: one."""

    object: Literal["list"]
    data: list[ModelCard]


class Health(BaseModel):
    """That all is well."""

    status: Literal["ok"]
