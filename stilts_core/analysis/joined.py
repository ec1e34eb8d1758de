"""Several studies, and tables from other systems, as one: what may share a table shares it, the rest is told apart.

Scores under different protocols never share a table. Of a target that several members have, the languages count whose
test set is the same in all of them: the same split with as many examples, as far as that is known. An encoder of equal
name is one encoder where the members share its baseline runs, by fingerprint; else each member's is an encoder of its
own, compared with its own baseline. Rows from other systems are always marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stilts_core.analysis.frame import Coded, Frame, concatenated
from stilts_core.analysis.member import Member
from stilts_core.analysis.report import words
from stilts_core.analysis.scores import Ints
from stilts_core.analysis.table import SCORE
from stilts_core.spec.study import BASELINE

IMPORTED = "imported"

Cell = tuple[str, int]
"""Target and seed."""


@dataclass(frozen=True, slots=True)
class Group:
    """The members of one protocol as one table.

    Attributes:
        frame: all rows that share the table; ``study`` says whose each is.
        notes: what was told apart or left out, as sentences.
    """

    protocol: str
    members: tuple[Member, ...]
    frame: Frame
    notes: tuple[str, ...]


def join(members: Sequence[Member]) -> tuple[Group, ...]:
    """One group for each protocol, in the order of the members."""
    by_protocol: dict[str, list[Member]] = {}
    for member in members:
        by_protocol.setdefault(member.protocol, []).append(member)
    return tuple(_group(protocol, mine) for protocol, mine in by_protocol.items())


def _group(protocol: str, members: Sequence[Member]) -> Group:
    notes: list[str] = []
    frames = _same_test_sets(members, notes)
    frames = _told_apart(members, frames, notes)
    named = [replace_text(frame, "study", [member.name]) for member, frame in zip(members, frames, strict=True)]
    return Group(protocol, tuple(members), concatenated(named), tuple(notes))


def replace_text(frame: Frame, column: str, names: Sequence[str]) -> Frame:
    """The frame with the texts of a column renamed: one name for each that it has, or one for all of them."""
    old = frame.texts[column]
    new = list(names) if len(names) == len(old.names) else [names[0]] * len(old.names)
    order = tuple(sorted(set(new)))
    codes = np.array([order.index(name) for name in new], dtype=np.int64)[old.codes]
    return replace(frame, texts={**frame.texts, column: Coded(codes, order)})


Tests = Mapping[str, frozenset[tuple[str, int]]]
"""Language → its splits with their numbers of examples."""


def _different(columns: Sequence[Ints]) -> list[list[int]]:
    """The different combinations of the columns' values."""
    found: list[list[int]] = np.unique(np.stack(columns), axis=1).T.tolist() if len(columns[0]) else []
    return found


def _tests(frame: Frame) -> dict[str, Tests]:
    """Target → what it was scored on."""
    kept = frame.rows(frame.texts["metric"].of(SCORE))
    columns = [kept.texts[name] for name in ("target", "language", "split")]
    found: dict[str, dict[str, set[tuple[str, int]]]] = {}
    for target, language, split, n in _different([*(column.codes for column in columns), kept.n]):
        of_target = found.setdefault(columns[0].names[target], {})
        of_target.setdefault(columns[1].names[language], set()).add((columns[2].names[split], n))
    return {target: {code: frozenset(s) for code, s in codes.items()} for target, codes in found.items()}


def _alike(one: frozenset[tuple[str, int]], other: frozenset[tuple[str, int]]) -> bool:
    """The same splits, with the same numbers of examples where both state them."""
    if {split for split, _ in one} != {split for split, _ in other}:
        return False
    sizes = [{split: {n for s, n in side if s == split and n} for split, _ in side} for side in (one, other)]
    return all(not a or not b or a == b for a, b in ((sizes[0][s], sizes[1][s]) for s in sizes[0]))


def _same_test_sets(members: Sequence[Member], notes: list[str]) -> list[Frame]:
    tests = [_tests(member.frame) for member in members]
    frames = [member.frame for member in members]
    for target in dict.fromkeys(name for found in tests for name in found):
        having = [place for place, found in enumerate(tests) if target in found]
        if len(having) < 2:
            continue
        first = tests[having[0]][target]
        every = set().union(*(tests[place][target] for place in having))
        common = {
            code
            for code in first
            if all(code in tests[place][target] and _alike(first[code], tests[place][target][code]) for place in having)
        }
        whose = words.listed([members[place].name for place in having])
        if not common:
            for place in having:
                old = frames[place].texts["target"].names
                names = [f"{name} [{members[place].name}]" if name == target else name for name in old]
                frames[place] = replace_text(frames[place], "target", names)
            notes.append(f"{target} of {whose} has no test set in common: each has a column of its own.")
        elif common != every:
            for place in having:
                texts = frames[place].texts
                language = texts["language"]
                out = np.array([name not in common for name in language.names], dtype=bool)[language.codes]
                measured = ~np.isin(language.codes, [i for i, name in enumerate(language.names) if name == "-"])
                frames[place] = frames[place].rows(~(texts["target"].of(target) & out & measured))
            notes.append(
                f"{target} is compared over the {words.counted(len(common), 'language')} that {whose} have scored on "
                f"the same test sets; left out: {' '.join(sorted(every - common))}."
            )
    return frames


Runs = Mapping[tuple[str, str], Mapping[Cell, str]]
"""Encoder and curriculum → target and seed → fingerprint."""


def _runs(frame: Frame) -> Runs:
    """Those behind the main scores."""
    kept = frame.rows(frame.texts["metric"].of(SCORE))
    columns = [kept.texts[name] for name in ("encoder", "curriculum", "target", "fingerprint")]
    found: dict[tuple[str, str], dict[Cell, str]] = {}
    for e, c, t, f, seed in _different([*(column.codes for column in columns), kept.seed]):
        names = [column.names[code] for column, code in zip(columns, (e, c, t, f), strict=True)]
        found.setdefault((names[0], names[1]), {})[names[2], seed] = names[3]
    return found


def _agree(one: Mapping[Cell, str], other: Mapping[Cell, str]) -> bool:
    """They share runs, and no cell has two."""
    shared = one.keys() & other.keys()
    return bool(shared) and all(one[cell] == other[cell] and one[cell] for cell in shared)


def _told_apart(members: Sequence[Member], frames: Sequence[Frame], notes: list[str]) -> list[Frame]:
    runs = [_runs(frame) for frame in frames]
    renamed: list[dict[tuple[str, str], tuple[str, str]]] = [{} for _ in members]
    for encoder in dict.fromkeys(name for found in runs for name, _ in found):
        having = [place for place, found in enumerate(runs) if any(name == encoder for name, _ in found)]
        clusters: list[list[int]] = []
        for place in having:
            mine = runs[place].get((encoder, BASELINE), {})
            home = next(
                (one for one in clusters if all(_agree(runs[o].get((encoder, BASELINE), {}), mine) for o in one)), None
            )
            if home is None or members[place].imported:
                clusters.append([place])
            else:
                home.append(place)
        for cluster in clusters:
            label = encoder
            if members[cluster[0]].imported:
                label = _marked(encoder, members[cluster[0]])
            elif len(clusters) > 1 and sum(not members[c[0]].imported for c in clusters) > 1:
                label = f"{encoder} [{', '.join(members[place].name for place in cluster)}]"
            for place, names in _curricula(encoder, cluster, runs, members).items():
                renamed[place].update({(encoder, old): (label, new) for old, new in names.items()})
        apart = [members[cluster[0]].name for cluster in clusters]
        if len(apart) > 1:
            notes.append(
                f"{encoder or 'The encoder'} of {words.listed(apart)} has no baseline run in common: each is compared "
                "with its own baseline."
            )
    return [_renamed(frame, names) for frame, names in zip(frames, renamed, strict=True)]


def _marked(encoder: str, member: Member) -> str:
    return f"{encoder} [{member.name}, {IMPORTED}]".strip()


def _curricula(
    encoder: str, cluster: Sequence[int], runs: Sequence[Runs], members: Sequence[Member]
) -> dict[int, dict[str, str]]:
    """Member → curriculum → its name among the members that share the encoder."""
    found: dict[int, dict[str, str]] = {place: {} for place in cluster}
    for name in dict.fromkeys(c for place in cluster for e, c in runs[place] if e == encoder):
        having = [place for place in cluster if (encoder, name) in runs[place]]
        one = all(_agree(runs[having[0]][encoder, name], runs[place][encoder, name]) for place in having[1:])
        for place in having:
            found[place][name] = name if one or name == BASELINE else f"{name} [{members[place].name}]"
    return found


def _renamed(frame: Frame, names: Mapping[tuple[str, str], tuple[str, str]]) -> Frame:
    """The frame with other names for its arms; rows of arms without scores keep theirs."""
    encoder, curriculum = frame.texts["encoder"], frame.texts["curriculum"]
    pairs = encoder.codes * len(curriculum.names) + curriculum.codes
    unique, place = np.unique(pairs, return_inverse=True)
    labels: dict[str, str] = {old: new for (old, _), (new, _) in names.items()}
    new = []
    for pair in unique.tolist():
        e, c = divmod(pair, len(curriculum.names))
        old = encoder.names[e], curriculum.names[c]
        new.append(names.get(old, (labels.get(old[0], old[0]), old[1])))
    texts = dict(frame.texts)
    for axis, column in enumerate(("encoder", "curriculum")):
        order = tuple(sorted({pair[axis] for pair in new}))
        codes = np.array([order.index(pair[axis]) for pair in new], dtype=np.int64)
        texts[column] = Coded(codes[place] if len(codes) else encoder.codes, order)
    return replace(frame, texts=texts)
