"""The main routes: predict, analyze, embeddings, rerank and models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from minbert.serving import bodies
from minbert.serving.jobs import ENCODER
from minbert.serving.refusals import PROBLEMS_TOLD, invalid
from minbert.serving.service import Service
from minbert.serving.telling import ASKING, rows_response, said, statuses, told_vector, with_tokens

_SOME_FAILED: dict[int | str, dict[str, Any]] = {
    207: {"description": "Some inputs have no answer: they have `error` in its place."}
}


def main_routes(service: Service) -> APIRouter:
    """Return the routes of one service."""
    routes = APIRouter(prefix="/v1")
    created = int(time.time())

    @routes.post(
        "/predict/{task}",
        response_model=bodies.Predictions,
        responses={207: {"model": bodies.Predictions, **_SOME_FAILED[207]}, **statuses(404, *ASKING)},
    )
    async def predict(task: str, body: bodies.PredictBody) -> JSONResponse:
        """Answer one task for texts or pairs, as `minbert predict` does."""
        service.check_task(task)
        check_form(service, task, body.inputs)
        answered = await service.ask([task], body.inputs, body.truncate)
        predictions = with_tokens(answered, said(answered, task))
        content = {"model": service.name, "task": task, "predictions": predictions}
        return rows_response(content, answered.failed(task))

    @routes.post(
        "/analyze",
        response_model=bodies.Analyses,
        responses={207: {"model": bodies.Analyses, **_SOME_FAILED[207]}, **statuses(*ASKING)},
    )
    async def analyze(body: bodies.AnalyzeBody) -> JSONResponse:
        """Answer all tasks that take texts, or all that take pairs, in one pass of the encoder."""
        tasks = tasks_for(service, body.inputs)
        answered = await service.ask(tasks, body.inputs, body.truncate)
        told = {task: said(answered, task) for task in tasks}
        analyses = [{"tasks": {task: told[task][row] for task in tasks}} for row in range(len(body.inputs))]
        content = {"model": service.name, "analyses": with_tokens(answered, analyses)}
        return rows_response(content, [failed for task in tasks for failed in answered.failed(task)])

    @routes.post("/embeddings", response_model=bodies.Embeddings, responses=statuses(404, *ASKING))
    async def embeddings(body: bodies.EmbeddingsBody) -> JSONResponse:
        """Return sentence vectors in OpenAI's shape: the encoder's means over all tokens."""
        service.check_model(body.model)
        texts = [body.input] if isinstance(body.input, str) else body.input
        answered = await service.ask([ENCODER], texts, body.truncate)
        vectors = answered.vectors(normalized=body.normalize)
        data = [
            {"object": "embedding", "index": index, "embedding": told_vector(vector, body.encoding_format)}
            for index, vector in enumerate(vectors)
        ]
        tokens = sum(answered.tokens_seen)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return JSONResponse(
            {"object": "list", "model": service.name, "data": with_tokens(answered, data), "usage": usage}
        )

    @routes.post("/rerank", response_model=bodies.Ranking, responses=statuses(404, *ASKING))
    async def rerank(body: bodies.RerankBody) -> JSONResponse:
        """Put documents in order by what a task on pairs says of each with the query."""
        task = ranking_task(service, body.task)
        answered = await service.ask([task], [(body.query, text) for text in body.documents], body.truncate)
        answered.check_all(task)
        scores = answered.scores(service, task).round(6).tolist()
        rows = with_tokens(answered, [{"index": row, "relevance_score": score} for row, score in enumerate(scores)])
        rows.sort(key=lambda row: -row["relevance_score"])
        return JSONResponse({"model": service.name, "task": task, "results": rows[: body.top_n]})

    @routes.get("/models", response_model=bodies.ModelCards, responses=statuses(401))
    async def models() -> JSONResponse:
        """Tell the served model, its tasks, and what a request may hold."""
        return JSONResponse({"object": "list", "data": [_card(service, created)]})

    return routes


def check_form(service: Service, task: str, inputs: Sequence[Any]) -> None:
    """Check that inputs are texts, or pairs, as the task takes them.

    Raises:
        RefusalError: one is not.
    """
    pairs = service.model.task(task).pair is not None
    if problems := [{"input": row} for row, given in enumerate(inputs) if isinstance(given, str) == pairs]:
        form = 'pairs: ["first text", "second text"]' if pairs else "single texts"
        raise invalid(
            "wrong_form",
            f"The task {task} takes {form}. Input {problems[0]['input']} is none.",
            problems[:PROBLEMS_TOLD],
        )


def tasks_for(service: Service, inputs: Sequence[Any]) -> list[str]:
    """Return the tasks that take inputs of this form.

    Raises:
        RefusalError: there is none, or some inputs are texts and others pairs.
    """
    forms = {isinstance(given, str) for given in inputs}
    if len(forms) > 1:
        raise invalid("wrong_form", "Some inputs are texts and others pairs. Send them in two requests.")
    single = forms.pop()
    tasks = [name for name, task in service.model.tasks.items() if (task.pair is None) == single]
    if not tasks:
        raise invalid("wrong_form", f"The model has no task that takes {'single texts' if single else 'pairs'}.")
    return tasks


def ranking_task(service: Service, task: str | None) -> str:
    """Return the task that puts documents in order: the one asked for, or the only one that can.

    Raises:
        RefusalError: there is no such task, it cannot, or several can.
    """
    able = [name for name in service.model.tasks if _ranks(service, name)]
    if task is not None:
        if service.check_task(task) not in able:
            raise invalid("no_ranking", f"The task {task} has no score for pairs. Those that have: {_listed(able)}.")
        return task
    if len(able) != 1:
        raise invalid("no_ranking", f"Name one task on pairs that has a score. Those that have: {_listed(able)}.")
    return able[0]


def _ranks(service: Service, task: str) -> bool:
    settings = service.model.task(task)
    return settings.pair is not None and settings.kind.ranks


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _card(service: Service, created: int) -> dict[str, Any]:
    model, limits = service.model, service.limits
    return {
        "id": service.name,
        "object": "model",
        "created": created,
        "owned_by": "minbert",
        "dimensions": model.encoder.config.hidden_size,
        "precision": service.precision,
        "tasks": {
            name: {
                "kind": task.kind.name,
                "takes": "text" if task.pair is None else "pair",
                "answer": task.kind.answer_described,
                "classes": task.kind.class_names,
                "thresholds": task.kind.answered_from,
                "range": task.kind.bounds,
                "ranks": _ranks(service, name),
            }
            for name, task in model.tasks.items()
        },
        "limits": {
            "tokens_per_text": model.max_length,
            "characters_per_text": limits.text_characters,
            "texts_per_request": limits.texts,
            "tokens_per_request": limits.request_tokens,
            "bytes_per_request": limits.body_bytes,
        },
    }
