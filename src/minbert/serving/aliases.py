"""The same answers in others' shapes: text-embeddings-inference's routes, and the Open Inference Protocol's health.

What these shapes have no place for, such as tokens seen, they do not tell.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, RootModel

from minbert.serving.bodies import Body, Text, Texts, Truncate
from minbert.serving.jobs import ENCODER
from minbert.serving.refusals import invalid
from minbert.serving.routes import check_form, ranking_task
from minbert.serving.service import Service
from minbert.serving.telling import ASKING, statuses

_Lists = Annotated[list[Texts], Field(min_length=1)]


class EmbedBody(Body):
    """Texts to sentence vectors."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"inputs": ["A sentence."]}]})

    inputs: Text | Texts
    normalize: bool = True
    truncate: Truncate = False


class TeiPredictBody(Body):
    """One text, one pair (a list of two), or a list of such lists."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"inputs": "A quiet, generous film."}]})

    inputs: Text | Texts | _Lists
    task: str | None = Field(None, description="needed where the model has several tasks")
    truncate: Truncate = False


class TeiRerankBody(Body):
    """A query and texts."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "cook rice", "texts": ["How to boil rice.", "A train."]}]}
    )

    query: Text
    texts: Texts
    task: str | None = Field(None, description="needed where several tasks on pairs have a score")
    return_text: bool = False
    truncate: Truncate = False


class SimilarityInputs(Body):
    """A sentence, and those it is compared with."""

    source_sentence: Text
    sentences: Texts


class SimilarityParameters(Body):
    """How texts are read."""

    truncate: Truncate = False


class SimilarityBody(Body):
    """Cosines of one sentence with others."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"inputs": {"source_sentence": "A quiet film.", "sentences": ["A loud one.", "Rice."]}}]
        }
    )

    inputs: SimilarityInputs
    parameters: SimilarityParameters = SimilarityParameters()


class Vectors(RootModel[list[list[float]]]):
    """A vector for each text."""


class Scored(BaseModel):
    """A class and its probability, or a task and its score."""

    label: str
    score: float


class AllScored(RootModel[list[Scored] | list[list[Scored]]]):
    """The classes of one input, likeliest first; a list of those for a list of inputs."""


class Rank(BaseModel):
    """A text's score."""

    index: int
    score: float
    text: str | None = None


class Ranks(RootModel[list[Rank]]):
    """Texts, the best first."""


class Numbers(RootModel[list[float]]):
    """A cosine for each sentence."""


class Info(BaseModel):
    """What TEI's clients ask of a server."""

    model_id: str
    model_dtype: str
    model_type: dict[str, Any]
    max_input_length: int
    max_batch_tokens: int
    max_client_batch_size: int
    version: str


def alias_routes(service: Service, version: str) -> APIRouter:
    """Return the routes of one service."""
    routes = APIRouter()

    @routes.post("/embed", response_model=Vectors, responses=statuses(*ASKING))
    async def embed(body: EmbedBody) -> JSONResponse:
        """Return sentence vectors, as TEI does."""
        texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
        answered = await service.ask([ENCODER], texts, body.truncate)
        return JSONResponse(answered.vectors(normalized=body.normalize).tolist())

    @routes.post("/predict", response_model=AllScored, responses=statuses(404, *ASKING))
    async def tei_predict(body: TeiPredictBody) -> JSONResponse:
        """Return the classes of one task by their probabilities, as TEI does."""
        task = _only_task(service, body.task)
        several = isinstance(body.inputs, list) and isinstance(body.inputs[0], list)
        given: list[Any] = list(body.inputs) if several else [body.inputs]
        rows = [_row(one) for one in given]
        check_form(service, task, rows)
        answered = await service.ask([task], rows, body.truncate)
        answered.check_all(task)
        scored = [_scored(task, said) for said in answered.said(task)]
        return JSONResponse(scored if several else scored[0])

    @routes.post("/rerank", response_model=Ranks, responses=statuses(404, *ASKING))
    async def tei_rerank(body: TeiRerankBody) -> JSONResponse:
        """Put texts in order, as TEI does."""
        task = ranking_task(service, body.task)
        answered = await service.ask([task], [(body.query, text) for text in body.texts], body.truncate)
        answered.check_all(task)
        scores = answered.scores(service, task).round(6).tolist()
        ranks = [{"index": row, "score": score} for row, score in enumerate(scores)]
        if body.return_text:
            ranks = [{**rank, "text": text} for rank, text in zip(ranks, body.texts, strict=True)]
        return JSONResponse(sorted(ranks, key=lambda rank: -rank["score"]))

    @routes.post("/similarity", response_model=Numbers, responses=statuses(*ASKING))
    async def similarity(body: SimilarityBody) -> JSONResponse:
        """Return the cosine of one sentence's vector with those of others, as TEI does."""
        texts = [body.inputs.source_sentence, *body.inputs.sentences]
        answered = await service.ask([ENCODER], texts, body.parameters.truncate)
        vectors = answered.vectors(normalized=True).astype("f8")
        return JSONResponse((vectors[1:] @ vectors[0]).clip(-1, 1).round(6).tolist())

    @routes.get("/info", response_model=Info, responses=statuses(401))
    async def info() -> JSONResponse:
        """Tell the model and its limits, as TEI does."""
        limits = service.limits
        return JSONResponse(
            {
                "model_id": service.name,
                "model_dtype": {"fp32": "float32", "bf16": "bfloat16"}[service.precision],
                "model_type": {"tasks": list(service.model.tasks)},
                "max_input_length": service.model.max_length,
                "max_batch_tokens": limits.batch_tokens,
                "max_client_batch_size": limits.texts,
                "version": version,
            }
        )

    return routes


def _only_task(service: Service, task: str | None) -> str:
    if task is not None:
        return service.check_task(task)
    if len(service.model.tasks) > 1:
        raise invalid(
            "task_missing", f"The model has several tasks. Name one as task: {', '.join(service.model.tasks)}."
        )
    return next(iter(service.model.tasks))


def _row(given: str | list[str]) -> str | tuple[str, str]:
    """Return one input of TEI's as ours: a list of one is a text, a list of two a pair."""
    if isinstance(given, str):
        return given
    if len(given) > 2:
        raise invalid("wrong_form", "An input is a text, or a list of one or two texts.")
    return given[0] if len(given) == 1 else (given[0], given[1])


def _scored(task: str, said: dict[str, Any]) -> list[dict[str, Any]]:
    if "probabilities" not in said:
        return [{"label": task, "score": said["prediction"]}]
    found = [{"label": name, "score": share} for name, share in said["probabilities"].items()]
    return sorted(found, key=lambda one: -one["score"])
