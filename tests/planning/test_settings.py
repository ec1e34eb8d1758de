"""Settings by layer, and where each of them comes from."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from planning_support import SOURCE, pretraining, study

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Head, Hyper, Protocol
from stilts_core.planning.explain import explain
from stilts_core.planning.settings import MIX, OF_A_TASK, Phase, Resolver, Setting, Subject, for_mix, for_task
from stilts_core.spec.study import Match, Override

PROTOCOL = Protocol.model_validate(
    {
        "name": "p",
        "title": "p",
        "defaults": {"epochs": 5, "batch_size": 16},
        "heads": {"span": {"epochs": 4, "max_length": 384}},
        "tasks": {"xquad": {"epochs": 3}, "mix": {"epochs": 1}, "mlm": {"learning_rate": 5e-6, "epochs": 9}},
    }
)


def subject(**changes: Any) -> Subject:
    usual: dict[str, Any] = {
        "name": "xquad",
        "head": Head.SPAN,
        "phase": "target",
        "curriculum": "mnli",
        "encoder": "base",
        "trained": "squad_v1",
    }
    return Subject(**{**usual, **changes})


def override(value: float, **match: Any) -> Override:
    return Override(match=Match(**match), set={"epochs": value})


def test_later_layers_win_and_each_value_knows_its_own() -> None:
    resolved = Resolver(PROTOCOL, [override(2, task="xquad"), override(7, curriculum="baseline")]).resolve(subject())
    assert {name: resolved.settings[name] for name in ("clip", "batch_size", "max_length", "epochs")} == {
        "clip": Setting(1.0, "built-in"),
        "batch_size": Setting(16, "defaults"),
        "max_length": Setting(384, "heads.span"),
        "epochs": Setting(2.0, "overrides.0"),
    }
    assert Resolver(PROTOCOL).resolve(subject()).settings["epochs"] == Setting(3.0, "tasks.xquad")
    assert Resolver(PROTOCOL).resolve(subject(name="other")).settings["epochs"] == Setting(4.0, "heads.span")


PHASES: list[Phase] = ["train", "target"]
matches = st.builds(
    Match,
    task=st.sampled_from([None, "xquad", "squad_v1", "mnli", MIX]),
    kind=st.sampled_from([None, *PHASES]),
    curriculum=st.sampled_from([None, "mnli", "baseline"]),
    encoder=st.sampled_from([None, "base", "large"]),
)
subjects = st.builds(
    subject,
    phase=st.sampled_from(PHASES),
    curriculum=st.sampled_from(["mnli", "baseline"]),
    encoder=st.sampled_from(["base", "large"]),
)


@given(st.lists(matches, max_size=5), subjects)
def test_the_last_override_that_fits_wins(chosen: list[Match], wanted: Subject) -> None:
    overrides = [Override(match=match, set={"epochs": 10 + index}) for index, match in enumerate(chosen)]
    fits = [
        index
        for index, match in enumerate(chosen)
        if match.task in (None, "xquad", "squad_v1")
        and match.kind in (None, wanted.phase)
        and match.curriculum in (None, wanted.curriculum)
        and match.encoder in (None, wanted.encoder)
    ]
    expected = Setting(10.0 + fits[-1], f"overrides.{fits[-1]}") if fits else Setting(3.0, "tasks.xquad")
    assert Resolver(PROTOCOL, overrides).resolve(wanted).settings["epochs"] == expected


def test_a_mix_has_its_own_settings_and_masked_text_only_its_rate() -> None:
    resolver = Resolver(PROTOCOL, [override(6, task="mnli"), override(8, task=MIX)])
    mix = subject(name=MIX, head=None, trained=None, phase="train")
    assert resolver.resolve(mix).settings["epochs"] == Setting(8.0, "overrides.1")
    masked = Resolver(PROTOCOL).resolve(subject(name=MIX, head=None, trained=None, masked=True))
    assert masked.settings["learning_rate"] == Setting(5e-6, "tasks.mlm")
    assert masked.settings["epochs"] == Setting(1.0, "tasks.mix")


def test_an_encoder_cuts_what_it_does_not_take() -> None:
    resolver = Resolver(PROTOCOL, max_lengths={"base": 300})
    resolved = resolver.resolve(subject())
    assert resolved.settings["max_length"] == Setting(300, "encoder")
    assert (resolved.hyper.max_length, resolved.cut_from) == (300, 384)
    assert resolver.resolve(subject(encoder="large")).cut_from is None


def test_a_task_in_a_mix_keeps_what_is_its_own() -> None:
    own = Hyper(learning_rate=1.0, batch_size=3, epochs=9, max_length=77, patience=5, answer_length=8)
    common = Hyper(learning_rate=2.0, batch_size=4, epochs=8, max_length=66, patience=6)
    part = for_task(own, Head.SPAN, common=common)
    for name in Hyper.model_fields:
        if name != "mlm_probability":
            assert getattr(part, name) == getattr(own if name in OF_A_TASK else common, name)
    assert for_mix(common).max_length == Hyper().max_length


def test_explain_says_what_every_training_uses() -> None:
    written = study(
        encoders=[{"name": "base", "source": "somewhere/base"}, pretraining(max_length=400)],
        curricula=["baseline", "mnli", {"name": "mixed", "steps": [{"mix": ["mnli", {"mlm": "xtreme"}]}]}],
        overrides=[{"match": {"encoder": "made", "kind": "target"}, "set": {"epochs": 2}}],
    )
    found = explain(written, load_catalogue(), {"base": SOURCE})
    titles = [explanation.title for explanation in found]
    assert titles == [
        "intermediate mnli",
        "mix mnli+mlm",
        "mnli in a mix",
        "mlm in a mix",
        "target xnli",
        "target xquad (trained on squad_v1)",
        "target tatoeba",
        "target xnli",
        "target xquad (trained on squad_v1)",
        "target tatoeba",
    ]
    assert found[0].arms == (("base", "mnli"), ("made", "mnli"))
    assert {name for name in found[1].settings if name in OF_A_TASK} == set()
    assert "mlm_probability" in found[3].settings
    assert [found[4].settings["epochs"].origin, found[7].settings["epochs"].origin] == ["defaults", "overrides.0"]
    assert dict(found[9].settings) == {"max_length": Setting(400, "encoder")}
