"""A law over many inputs as one test."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

Law = Callable[..., None]


def each(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Law], Law]:
    """Run a test with each of some values for an argument, or for several, as one item of pytest's.

    Where cases are quick, an item each would cost more than they do. The first that fails is named below its error.
    """
    cases, of_cases = list(cases), {names} if isinstance(names, str) else {*names}

    def over(law: Law) -> Law:
        @functools.wraps(law)
        def all_cases(**given: Any) -> None:
            for case in cases:
                values = {names: case} if isinstance(names, str) else dict(zip(names, case, strict=True))
                try:
                    law(**given, **values)
                except BaseException as error:  # pytest's own failures are no exceptions
                    error.add_note(", ".join(f"{name} = {value!r}" for name, value in values.items()))
                    raise

        signature = inspect.signature(law)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in of_cases]
        all_cases.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return all_cases

    return over
