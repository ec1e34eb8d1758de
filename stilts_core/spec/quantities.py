"""Texts that Kubernetes will take, checked before anything is sent: quantities, names, images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_TEXT = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(m|k|[MGTPE]|[KMGTPE]i)?")
_POWERS = {"m": Fraction(1, 1000), "k": Fraction(1000), "Ki": Fraction(1024)} | {
    letter + binary: Fraction(base) ** power
    for power, letter in enumerate("MGTPE", start=2)
    for binary, base in (("", 1000), ("i", 1024))
}


@dataclass(frozen=True)
class Form:
    """What a text must look like; an annotation of a Pydantic field.

    Attributes:
        pattern: a regular expression for the whole text.
        what: the sentence for a text that does not match, which goes before it.
        longest: characters at most.
    """

    pattern: str
    what: str
    longest: int = 253

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^{self.pattern}$", "maxLength": self.longest}

    def _check(self, value: str) -> str:
        if len(value) > self.longest:
            raise ValueError(f'"{value[:40]}…" is too long: {len(value)} characters, at most {self.longest}')
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f'"{value}" {self.what}')
        return value


def _number_as_text(value: Any) -> Any:
    """``cpu: 4`` means what ``cpu: "4"`` does."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Quantity = Annotated[
    str,
    Form(_QUANTITY.pattern, 'is no quantity of Kubernetes: write a number, "500m", "16Gi" or the like', 32),
    BeforeValidator(_number_as_text, json_schema_input_type=str | float),
]
"""An amount as Kubernetes writes it: ``4``, ``500m``, ``16Gi``."""

NamespaceName = Annotated[
    str, Form(_LABEL, "is no name of a namespace: lower-case letters, digits and hyphens, as in `research`", 63)
]
ObjectName = Annotated[
    str, Form(_SUBDOMAIN, "is no name of an object: lower-case letters, digits, hyphens and dots, as in `team-a`")
]
DataKey = Annotated[
    str, Form(r"[-._a-zA-Z0-9]+", "is no key of a Secret or ConfigMap: letters, digits, hyphens, dots, underscores")
]
LabelKey = Annotated[
    str,
    Form(
        rf"({_SUBDOMAIN}/)?{_LABEL_TEXT}", "is no key of a label: write `name` or `domain/name`, as in `pool/gpu`", 317
    ),
]
LabelValue = Annotated[
    str, Form(rf"({_LABEL_TEXT})?", "is no value of a label: letters, digits, hyphens, dots, underscores", 63)
]
ResourceName = Annotated[
    str, Form(rf"{_SUBDOMAIN}/{_LABEL_TEXT}", "is no extended resource: write `vendor/name`, as in `nvidia.com/gpu`")
]
ImageName = Annotated[
    str,
    Form(
        r"[a-z0-9][-a-z0-9._:]*(/[a-z0-9][-a-z0-9._]*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?",
        "is no name of an image: write `registry/team/name:tag`; a digest belongs into the key `digest`",
    ),
]
ImageDigest = Annotated[
    str, Form(r"sha256:[0-9a-f]{64}", "is no digest: write `sha256:` and 64 hexadecimal digits", 71)
]
RegistryName = Annotated[
    str,
    Form(
        r"[a-z0-9][-a-z0-9.]*(:[0-9]{1,5})?(/[a-z0-9][-a-z0-9._]*)*",
        "is no registry: write `host`, `host:port` or `host/path`, without https:// and without a tag",
    ),
]
ProxyUrl = Annotated[
    str,
    Form(
        r"https?://[^/@\s]+/?",
        "is no proxy that can be used here: write http://host:port, without a name and password, which everyone who "
        "may read a Job could read",
    ),
]
EndpointUrl = Annotated[
    str, Form(r"https?://[^/@\s]+/?", "is no endpoint: write http://host:port, without a name, password or path")
]
UserId = Annotated[int, Field(ge=1, lt=2**31)]


def amount(quantity: str) -> Fraction:
    """The number that a `Quantity` stands for: cores, bytes.

    Raises:
        ValueError: it is no quantity.
    """
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f'"{quantity}" is no quantity')
    return Fraction(match[1]) * _POWERS.get(match[2] or "", Fraction(1))
