"""JSON Schema of documents, for editors and other programs.

Pydantic's own schema knows nothing of the short forms (a text for a curriculum, say), of what the docstrings say about
each field, and of the catalogue; they are added here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import BaseModel

from stilts_core.catalog.load import Catalogue, load_catalogue
from stilts_core.catalog.models import Hyper
from stilts_core.spec.names import FORMATS, HEADS, QUESTIONS
from stilts_core.spec.profile import Profile
from stilts_core.spec.study import BASELINE, Study

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*)$")


def study_schema() -> Schema:
    """The schema of a study file (JSON Schema 2020-12), short forms included."""
    schema = document_schema(Study)
    definitions = schema["$defs"]
    catalogue = load_catalogue()
    for name, form in _short_forms(catalogue).items():
        definitions[name] = form(definitions[name])
    definitions["Override"]["properties"]["set"] |= {
        "propertyNames": {"enum": list(Hyper.model_fields)},
        "properties": _settings(),
    }
    definitions["TextFile"]["properties"]["format"]["enum"] = list(FORMATS)
    formats = [name for name, head in HEADS.items() if head is not None]
    definitions["OwnTask"]["anyOf"][1]["properties"]["format"]["anyOf"][0]["enum"] = formats
    spec = definitions["Spec"]["properties"]
    spec["protocol"]["enum"] = list(catalogue.protocols)
    spec["questions"]["items"]["enum"] = list(QUESTIONS)
    return schema


def profile_schema() -> Schema:
    """The schema of a profile file (JSON Schema 2020-12)."""
    return document_schema(Profile)


def document_schema(model: type[BaseModel]) -> Schema:
    """The schema of any document (JSON Schema 2020-12), with what docstrings say about it."""
    schema: Schema = {"$schema": DIALECT, **model.model_json_schema()}
    definitions = schema.get("$defs", {})
    for kind in _models(model, set()):
        _describe(schema if kind is model else definitions[kind.__name__], kind)
    return schema


def _models(model: Any, seen: set[Any]) -> Iterator[type[BaseModel]]:
    """The models that a model's fields are made of, itself first."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        if model not in seen:
            seen.add(model)
            yield model
            for field in model.model_fields.values():
                yield from _models(field.annotation, seen)
        return
    for argument in get_args(model):
        yield from _models(argument, seen)


def docstring_of(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """What a model's docstring says about the whole, and about each of its fields, a line each."""
    text, _, attributes = inspect.cleandoc(model.__doc__ or "").partition("\nAttributes:\n")
    described: list[tuple[list[str], str]] = []
    for line in attributes.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            described.append((entry[1].split(", "), entry[2]))
        elif described and line.strip():
            described[-1] = (described[-1][0], f"{described[-1][1]} {line.strip()}")
    return _line(text), {name: _line(words) for names, words in described for name in names}


def _describe(schema: Schema, model: type[BaseModel]) -> None:
    """Put a docstring's own text and its lines on fields where they belong."""
    schema["description"], fields = docstring_of(model)
    for name, words in fields.items():
        # A reference keeps its own description beside that of the field.
        schema["properties"][name]["description"] = words


def _line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _short_forms(catalogue: Catalogue) -> dict[str, Callable[[Schema], Schema]]:
    trained = [task.name for task in catalogue.tasks.values() if task.train]
    scored = [task.name for task in catalogue.tasks.values() if task.metric]

    def text(what: str, examples: list[str]) -> Schema:
        return {"type": "string", "description": what, "examples": examples}

    def either(short: Schema) -> Callable[[Schema], Schema]:
        return lambda schema: {"description": schema["description"], "anyOf": [short, schema]}

    def task_use(schema: Schema) -> Schema:
        required = [{"required": ["task"]}, {"required": ["mlm"]}]
        whole = {key: value for key, value in schema.items() if key != "required"} | {"anyOf": required}
        return either(text("A task of the catalogue or of this study.", trained))(whole)

    def step(schema: Schema) -> Schema:
        return {"description": schema["description"], "anyOf": [{"$ref": "#/$defs/TaskUse"}, schema]}

    return {
        "Encoder": either(text("A known encoder, a hub id, a folder, or an s3:// address.", list(catalogue.encoders))),
        "TaskUse": task_use,
        "Step": step,
        "Curriculum": either(text("A curriculum of this one task, or `baseline`.", [BASELINE, *trained])),
        "Provenance": either(text("The kind alone.", ["native", "human-translation", "machine-translation"])),
        "OwnTask": either(text("A file beside the study that holds a task, or a list of them.", ["./my-task.yaml"])),
        "Target": either(text("A task of the catalogue or of this study.", scored)),
    }


def _settings() -> Schema:
    schema = Hyper.model_json_schema()
    _describe(schema, Hyper)
    return dict(schema["properties"])
