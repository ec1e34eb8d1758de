"""Whatever becomes of a study file, it is read or refused with a `SpecError`: never anything else."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stilts_core.catalog.load import load_catalogue
from stilts_core.errors import SpecError
from stilts_core.spec.load import load_study
from stilts_core.spec.names import check_names

STUDY: dict[str, Any] = {
    "kind": "Study",
    "metadata": {"name": "a"},
    "spec": {
        "encoders": [
            "xlm-roberta-base",
            {"name": "own", "pretrain": {"text": [{"path": "{lang}.txt", "format": "text-lines", "parallel": True}]}},
        ],
        "curricula": ["baseline", "mnli", {"name": "b", "steps": ["mnli", {"mix": ["squad_v1", {"mlm": "xtreme"}]}]}],
        "targets": ["xnli", {"task": "tatoeba", "languages": ["de"], "rows": [0, 0.5]}],
        "seeds": [0, 1],
        "overrides": [{"match": {"task": "mnli", "kind": "train"}, "set": {"epochs": 2}}],
        "tasks": [
            {
                "name": "mine",
                "title": "Mine",
                "head": "tagging",
                "metric": "tag-f1",
                "labels": ["A", "B"],
                "test": [{"path": "mine/{lang}.tsv", "format": "tags-tsv"}],
            }
        ],
    },
}
BYTES = json.dumps(STUDY, indent=1).encode()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["baseline", "mnli", "mix", "de", "xtreme", "s3://b", "", "../x", "{", "1e999", "*a", "&a", "!!set"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=4,
)
slips = st.sampled_from(
    [b":", b"-", b"[", b"]", b"{", b"}", b"\n", b"\t", b"&a ", b"*a ", b"!", b"|", b"\xff", b"\0", b'"']
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in inside for place in [(*path, key), *_places(part, (*path, key))]]


PLACES = _places(STUDY)


@st.composite
def restructured(draw: st.DrawFn) -> bytes:
    """The study with parts of it replaced, removed, renamed or repeated."""
    study = json.loads(BYTES)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(PLACES))
        here = study
        try:
            for part in path:
                here = here[part]
            what = draw(st.sampled_from(["replace", "remove", "rename", "repeat"]))
            if what == "replace":
                here[last] = draw(values)
            elif what == "remove":
                del here[last]
            elif what == "rename":
                here[draw(st.text(max_size=8))] = here.pop(last)
            elif isinstance(here, list):
                here.append(here[last])
            else:
                here[last] = [here[last]]
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier change has taken the place away
    return json.dumps(study, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The file with bytes replaced, inserted, removed or cut off."""
    data = bytearray(BYTES)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 12)))
        data[start:stop] = draw(slips | st.binary(max_size=4))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data)


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutations") / "study.yaml"


def _read(path: Path) -> None:
    loaded = load_study(path)
    check_names(loaded, load_catalogue(loaded.study.spec.tasks))


def test_the_study_that_is_mutated_is_a_good_one(study_file: Path) -> None:
    study_file.write_bytes(BYTES)
    _read(study_file)


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.one_of(restructured(), damaged(), st.binary(max_size=40)))
@example(data=b"\xef\xbb\xbf")
@example(data=b"? [a]\n: b")
@example(data=b"%YAML 9.9\n---\na")
@example(data=b'a: "\\UFFFFFFFF"')
@example(data=b"a: 0x")
@example(data=b"<<: *a")
def test_no_study_file_gives_anything_but_a_spec_error(data: bytes, study_file: Path) -> None:
    study_file.write_bytes(data)
    with contextlib.suppress(SpecError):
        _read(study_file)
