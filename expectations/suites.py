"""The suites by name. A stage runs all of its suites in one call, for importing Great Expectations costs seconds."""

from collections.abc import Callable

from expectations.border import border_questions
from expectations.model import Parameters, Question
from expectations.release import release_questions

SUITES: dict[str, Callable[[Parameters], list[Question]]] = {"border": border_questions, "release": release_questions}
