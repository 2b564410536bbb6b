"""Files that a person writes: read strictly, and every mistake said in one sentence with the key's path."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError


class ConfigError(ValueError):
    """A file that a person wrote cannot be used; the message names the key and the remedy."""


class StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where plain YAML silently keeps the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (str, int)) and key in seen:
                line = key_node.start_mark.line + 1
                raise ConfigError(f"{key}: given twice (line {line}); keep one of the two")
            if isinstance(key, (str, int)):
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_text(path: Path, what: str) -> str:
    """The text of a file, without the mark that some editors put before it.

    Args:
        path: The file.
        what: What it is called in a message, for example `policy file`.

    Raises:
        ConfigError: it cannot be read or is not UTF-8. The caller puts the file's name before it.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"is not UTF-8 text; save the {what} as UTF-8") from None


def parse_yaml(text: str, loader: type[StrictLoader] = StrictLoader) -> Any:
    """What a YAML text says; an empty one says an empty mapping.

    Raises:
        ConfigError: the syntax is wrong, or a key is given twice; names the line, and the caller the file.
    """
    try:
        given = yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ConfigError(f"is not valid YAML{where}; correct the syntax there") from None
    return {} if given is None else given


def first_problem(error: ValidationError, what: str) -> str:
    """One sentence about the first of pydantic's complaints, beginning with the key's path.

    Args:
        error: The complaints.
        what: Whose key it is, for example `policy`.
    """
    problems = error.errors(include_url=False, include_context=False)
    first = problems[0]
    path = ".".join(str(part) for part in first["loc"] if part != "[key]")
    text = first["msg"].removeprefix("Value error, ")
    if text.startswith("@"):
        key, text = text[1:].split(": ", 1)
        path = f"{path}.{key}" if path else key
    elif first["type"] == "extra_forbidden":
        text = f"is not a key of the {what}; correct the spelling or remove it"
    elif first["type"] == "missing":
        text = "is missing; add it"
    elif first["type"] != "value_error":
        text = f"{first['input']!r} cannot be used: {text[0].lower()}{text[1:]}; change it or remove the key"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{path or what}: {text}{more}"
