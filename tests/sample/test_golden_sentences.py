"""Every language says what people who know it would say: sentences written by hand, and words in their own script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stilts_core.sample.languages import GRAMMARS, LANGUAGES
from stilts_core.sample.meaning import Clause, Kind, Person, Role, Thing

GOLDEN: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "golden.yaml").read_text(encoding="utf-8"))


def participant(value: Any) -> Person | Thing:
    if isinstance(value, dict):
        return Thing(**value)
    return Person(value.removesuffix("+"), plural=value.endswith("+"))


def meaning(fields: dict[str, Any]) -> Clause:
    values = dict(fields)
    values["kind"] = Kind(values["kind"])
    for name in ("subject", "object"):
        if name in values:
            values[name] = participant(values[name])
    if "asks" in values:
        values["asks"] = Role(values["asks"])
    return Clause(**values)


@pytest.mark.parametrize("language", LANGUAGES)
def test_says_what_a_speaker_would(language: str) -> None:
    expected = [entry[language] for entry in GOLDEN]
    assert [GRAMMARS[language].realise(meaning(entry["meaning"])).text for entry in GOLDEN] == expected


ANNA = Person("anna")


@pytest.mark.parametrize(
    ("language", "clause", "text"),
    [
        # The German article in all genders of the accusative, and weak and strong adjectives.
        ("de", Clause(Kind.DO, ANNA, "eat", Thing("egg", "white")), "Anna aß ein weißes Ei."),
        ("de", Clause(Kind.DO, ANNA, "eat", Thing("egg", "big", definite=True)), "Anna aß das große Ei."),
        ("de", Clause(Kind.DO, ANNA, "see", Person("student")), "Anna sah den Schüler."),
        ("de", Clause(Kind.DO, Person("boy"), "see", Person("boy", plural=True)), "Der Junge sah die Jungen."),
        ("de", Clause(Kind.DO, ANNA, "see", Person("boy")), "Anna sah den Jungen."),
        # `a` and `el` melt; feminine plurals agree.
        ("es", Clause(Kind.DO, ANNA, "see", Person("doctor")), "Ana vio al médico."),
        ("es", Clause(Kind.RETURN, ANNA, place="garden"), "Ana volvió del jardín."),
        ("es", Clause(Kind.DO, ANNA, "see", Thing("cup", "red", "many")), "Ana vio tazas rojas."),
        # Animate and inanimate accusatives, three and five.
        ("ru", Clause(Kind.DO, ANNA, "see", Thing("bird", "black", "many")), "Анна увидела чёрных птиц."),
        ("ru", Clause(Kind.DO, ANNA, "see", Thing("key", "new", "many")), "Анна увидела новые ключи."),
        ("ru", Clause(Kind.DO, ANNA, "buy", Thing("apple", None, "three")), "Анна купила три яблока."),
        ("ru", Clause(Kind.DO, ANNA, "see", Thing("dog", None, "five")), "Анна увидела пять собак."),
        ("ru", Clause(Kind.DO, ANNA, "see", Thing("animal"), asks=Role.OBJECT), "Кого Анна увидела?"),
        # Numbers have the other gender; several things take the feminine singular; the final alif of the accusative.
        ("ar", Clause(Kind.DO, ANNA, "see", Thing("dog", None, "four")), "رأت آنا أربعة كلاب."),
        ("ar", Clause(Kind.DO, ANNA, "buy", Thing("book", "new", "many")), "اشترت آنا كتبا جديدة."),
        ("ar", Clause(Kind.DO, ANNA, "see", Person("farmer", plural=True)), "رأت آنا المزارعين."),
        ("ar", Clause(Kind.GO, Person("farmer", plural=True), place="village"), "ذهب المزارعون إلى القرية."),
        # The verb agrees with the object, or with nothing where `को` stands; oblique forms before postpositions.
        ("hi", Clause(Kind.DO, Person("boy"), "read", Thing("letter")), "लड़के ने एक चिट्ठी पढ़ी।"),
        ("hi", Clause(Kind.DO, ANNA, "buy", Thing("banana", "big", "many")), "अन्ना ने बड़े केले ख़रीदे।"),
        ("hi", Clause(Kind.DO, ANNA, "close", Thing("window", definite=True)), "अन्ना ने खिड़की बंद की।"),
        ("hi", Clause(Kind.GO, Person("girl", plural=True), place="city"), "लड़कियाँ शहर गईं।"),
        ("hi", Clause(Kind.ACT, Person("boy", plural=True), "sleep", place="garden"), "लड़के बगीचे में सोए।"),
        # Consonants soften before the accusative; the dotted capital; one word for "was at school".
        ("tr", Clause(Kind.DO, ANNA, "read", Thing("letter", definite=True)), "Anna mektubu okudu."),
        ("tr", Clause(Kind.AT, ANNA, place="school"), "Anna okuldaydı."),
        ("tr", Clause(Kind.GO, ANNA, place="kitchen"), "Anna mutfağa gitti."),
        # Accusative and partitive, gradation.
        ("fi", Clause(Kind.DO, ANNA, "wash", Thing("shirt", definite=True)), "Anna pesi paidan."),
        ("fi", Clause(Kind.DO, ANNA, "wash", Thing("shirt", definite=True), negated=True), "Anna ei pessyt paitaa."),
        ("fi", Clause(Kind.DO, ANNA, "see", Person("student", plural=True), negated=True), "Anna ei nähnyt oppilaita."),
        ("fi", Clause(Kind.GO, ANNA, place="shop"), "Anna meni kauppaan."),
        # Definite and indefinite conjugation, the particle before and behind the verb, the two words for "small".
        ("hu", Clause(Kind.DO, ANNA, "read", Thing("letter")), "Anna olvasott egy levelet."),
        ("hu", Clause(Kind.DO, ANNA, "read", Thing("letter", definite=True)), "Anna elolvasta a levelet."),
        ("hu", Clause(Kind.DO, ANNA, "see", Person("farmer")), "Anna látta a gazdát."),
        ("hu", Clause(Kind.DO, ANNA, "buy", Thing("box", "small")), "Anna vett egy kis dobozt."),
        ("hu", Clause(Kind.BE, Thing("box", definite=True), quality="small"), "A doboz kicsi volt."),
        ("hu", Clause(Kind.RETURN, ANNA, place="market"), "Anna visszajött a piacról."),
        # Concord by class; object markers for animates; `ku` in one-syllable verbs.
        ("sw", Clause(Kind.DO, ANNA, "buy", Thing("key", "small", "many")), "Anna alinunua funguo ndogo."),
        ("sw", Clause(Kind.DO, ANNA, "buy", Thing("bag", None, "four")), "Anna alinunua mifuko minne."),
        ("sw", Clause(Kind.DO, ANNA, "buy", Thing("egg", "white", "many")), "Anna alinunua mayai meupe."),
        ("sw", Clause(Kind.DO, ANNA, "wash", Thing("dog", definite=True)), "Anna alimwosha mbwa."),
        ("sw", Clause(Kind.DO, ANNA, "eat", Thing("banana"), negated=True), "Anna hakula ndizi."),
        ("sw", Clause(Kind.BE, Thing("phone", definite=True), quality="black"), "Simu ilikuwa nyeusi."),
        # Measure words and counters.
        ("zh", Clause(Kind.DO, ANNA, "buy", Thing("car", "white")), "安娜买了一辆白汽车。"),
        ("zh", Clause(Kind.DO, ANNA, "see", Thing("horse", None, "ten")), "安娜看见了十匹马。"),
        ("ja", Clause(Kind.DO, ANNA, "see", Thing("bird", None, "four")), "アンナは四羽の鳥を見ました。"),
        ("ja", Clause(Kind.DO, ANNA, "buy", Thing("car", None, "three")), "アンナは三台の車を買いました。"),
        ("en", Clause(Kind.DO, ANNA, "see", Thing("animal", "white")), "Anna saw a white animal."),
        ("en", Clause(Kind.DO, ANNA, "see", Thing("animal")), "Anna saw an animal."),
    ],
)
def test_the_points_where_a_grammar_is_delicate(language: str, clause: Clause, text: str) -> None:
    assert GRAMMARS[language].realise(clause).text == text
