"""From a request in words to what it says: facts of the catalogue, prices, exclusions, and words that are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fashion_hash.understanding.lexicon import Lexicon, Meaning, Phrase
from fashion_hash.understanding.numbers import quantile_bounds, read_number
from fashion_hash.understanding.said import Fact, Understanding, both, joined, listed
from fashion_hash.understanding.tokens import Token

NUMBERED_FROM = 4  # letters of the number of an article
EXCLUDED, NAMED = 99, 98  # how much exclusions and names of titles count


def understand(text: str, lexicon: Lexicon) -> Understanding:
    """Reads a request, in time that grows with its length.

    Args:
        text: the words of a user.
        lexicon: the phrases that the catalogue understands.
    """
    reader = _Reader(text, lexicon)
    while reader.at < len(reader.tokens):
        reader.step()
    return reader.result()


@dataclass
class _Part:
    """What is said of one item.

    Attributes:
        asked: whether it is asked for, or what the asked one is to go with.
        start: the first token of the part, its cue included.
        tentative: "and" where it is another item only if something says what it is, "with" where it may be a part of
            the item before ("with dots"), "for" where it may be no item ("for my sister"); "" for an item of
            its own.
        facts: what is said.
        stop: the token behind its last.
        unknown: the last word that the catalogue does not know; where the part ends in it, it may say what the item is.
        unknown_stop: the token behind that word.
    """

    asked: bool
    start: int
    tentative: str = ""
    facts: list[Fact] = field(default_factory=list)
    stop: int = 0
    unknown: str = ""
    unknown_stop: int = -1


class _Reader:
    """Goes through the tokens from left to right; the longest phrase that means something is taken."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text, self.lexicon = text, lexicon
        self.tokens = lexicon.words.tokenizer.tokens(text)
        self.at = 0
        self.excluding = False
        self.phrase_stop = -1  # the token behind the last phrase
        self.last_excluded = False  # whether the last fact was excluded: "not black or white"
        self.parts = [_Part(asked=True, start=0)]
        self.rest: list[str] = []
        self.notes: list[str] = []
        role_of = lexicon.words.role_of
        # the columns that say what an item is
        self.nouns = {"type", *(column for column in lexicon.values.texts if role_of(column) == "kind")}

    @property
    def part(self) -> _Part:
        """The part that is being read."""
        return self.parts[-1]

    def step(self) -> None:
        """Reads what stands at `at`, and moves on."""
        token = self.tokens[self.at]
        if token.ends_part:
            self._end()
        elif self._number() or self._phrase() or self._range() or self._cue():
            return
        elif token.key in self.lexicon.stop or len(token.key) < 2:
            self.at += 1
        elif not self._misspelt():
            self._other(token)

    def _end(self) -> None:
        """A mark between parts of a sentence."""
        self.excluding = False
        if self.part.asked and not self.part.tentative:
            self._begin("and", 1)
        else:
            self._settle()
            self._return(self.at)
            self.at += 1

    def _number(self) -> bool:
        """A price or a measure."""
        read = read_number(self.tokens, self.at, self.lexicon, self.excluding)
        if read is None:
            return False
        words = self._words(read.stop - self.at)
        self.at, self.excluding = read.stop, False
        if read.fact is not None:
            (self._last_asked() if read.is_price else self.part).facts.append(replace(read.fact, words=words))
        elif read.left_out:
            self.notes.append(f"{words!r} was left out: {read.left_out}")
        else:
            self.rest.append(words)
        return True

    def _phrase(self) -> bool:
        """A phrase of the catalogue; one of several words may have one letter wrong in each."""
        for length in range(min(self.lexicon.longest, len(self.tokens) - self.at), 0, -1):
            if meanings := self.lexicon.meanings(self._keys(length)):
                self._add(meanings, length)
                return True
            if length > 1 and self._corrected_phrase(length):
                return True
        return False

    def _corrected_phrase(self, length: int) -> bool:
        """A phrase of the catalogue out of the next tokens, some with one letter wrong."""
        span = slice(self.at, self.at + length)
        kept = self.tokens[span]
        words = [self.lexicon.corrected(token.key) for token in kept]
        meant = tuple(word or token.key for word, token in zip(words, kept))
        if not any(words) or not (meanings := self.lexicon.meanings(meant)):
            return False
        self._add(meanings, length)
        self._read_as(self.part, len(self.part.facts) - 1, " ".join(token.text for token in kept), " ".join(meant))
        return True

    def _read_as(self, part: _Part, start: int, typed: str, word: str) -> None:
        """Says that the facts of a part from `start` on were misspelt."""
        self.notes.append(f"{typed!r} was read as {word!r}")
        part.facts[start:] = [replace(fact, read_as=word) for fact in part.facts[start:]]

    def _range(self) -> bool:
        """Words for a part of the catalogue's prices: "cheap", "pas cher"."""
        for length in range(min(3, len(self.tokens) - self.at), 0, -1):
            reading = self.lexicon.ranges.get(self._keys(length))
            if reading is not None and self.part.asked:
                column, (low, high) = reading
                bounds = quantile_bounds(self.lexicon.values.numbers[column], low, high)
                self.part.facts.append(Fact(column, bounds, False, self._words(length), excluded=self.excluding))
                self.excluding = False
                self.at += length
                return True
        return False

    def _cue(self) -> bool:
        """Words that turn what follows: an exclusion, what the item is to go with, "or", "and"."""
        for name in ("partner", "perhaps_partner", "partner_behind", "excluding", "beside", "joining", "but", "also"):
            if length := self.lexicon.cue_length(name, self.tokens, self.at):
                if name in ("partner", "perhaps_partner") or self._is_behind(name):
                    self._settle()
                    self.parts.append(_Part(False, self.at, "for" if name == "perhaps_partner" else ""))
                    self.excluding = False
                elif name == "partner_behind":
                    pass  # "a matching skirt"
                elif name == "excluding":
                    if self._keys(1) in self.lexicon.cues["but"]:
                        self._settle()
                        self._return(self.at)
                    self.excluding = True
                elif name == "also":
                    self.excluding = self.last_excluded
                elif name == "but":
                    self._settle()
                    self._return(self.at)
                else:
                    self._begin("with" if name == "beside" else "and", 0)
                self.at += length
                return True
        return False

    def _is_behind(self, name: str) -> bool:
        """Whether a cue that counts behind what the item is stands there."""
        return name == "partner_behind" and self._has_noun(self._last_asked())

    def _begin(self, tentative: str, length: int) -> None:
        """Perhaps another item, if the part before says what it is."""
        self._settle()
        asked = self.part.asked and tentative == "and"
        if self._has_noun(self.part) or not self.part.asked or self._names_unknown(self.part, self.at):
            self.parts.append(_Part(asked, self.at, tentative))
        self.at += length

    def _return(self, at: int) -> None:
        """Back from what the item is to go with to the item itself."""
        self.part.stop = at
        if not self.part.asked:
            asked = self._last_asked()
            self.parts.append(_Part(True, at, "and" if self._has_noun(asked) else "same"))

    def _settle(self) -> None:
        """A tentative part that does not say what it is belongs to the part before."""
        part = self.part
        part.stop = self.at
        if not part.tentative or self._is_item(part):
            return
        self.parts.pop()
        before = self.part if part.tentative == "and" and self.part.asked == part.asked else self._last_asked()
        if part.tentative != "with":
            before.facts += part.facts
            return
        told = {fact.column for fact in before.facts}
        for fact in part.facts:  # "a black dress with white dots": white is not the dress
            if fact.excluded or fact.column not in told:
                measured = isinstance(fact.value, dict)  # "with a heel under 5 cm"
                before.facts.append(replace(fact, hard=fact.hard and (fact.excluded or measured)))

    def _names_unknown(self, part: _Part, stop: int) -> bool:
        """Whether a part may be about an item that the catalogue does not know: "a green dress" without dresses."""
        return part.asked and part.unknown_stop == stop and bool(part.facts)

    def _is_item(self, part: _Part) -> bool:
        """Whether a tentative part is another item: "a green dress and white sandals" where dresses are unknown."""
        before, known = self.parts[-2], self._has_noun(part)
        if part.tentative != "and" or not part.asked or (known and self._has_noun(before)):
            return known and part.tentative != "same"
        repeats = bool({fact.column for fact in before.facts} & {fact.column for fact in part.facts})
        return repeats and (known or self._names_unknown(part, part.stop))

    def _last_asked(self) -> _Part:
        return next(part for part in reversed(self.parts) if part.asked)

    def _has_noun(self, part: _Part) -> bool:
        return any(fact.column in self.nouns and not fact.excluded for fact in part.facts)

    def _misspelt(self) -> bool:
        """A phrase of the catalogue, or a word of its titles, with one letter wrong."""
        token = self.tokens[self.at]
        word = self.lexicon.corrected(token.key)
        if word is not None:
            part, before = self.part, len(self.part.facts)
            self.tokens[self.at] = token._replace(key=word)
            if self._phrase():
                self._read_as(part, before, token.text, word)
                return True
            self.tokens[self.at] = token
        term = self.lexicon.corrected_term(token.key)
        if term is None or not self.part.asked:
            return False
        self.notes.append(f"{token.text!r} was read as {term!r}")
        self._name(term, token, read_as=term)
        return True

    def _other(self, token: Token) -> None:
        """A word that no column knows: it may be excluded by the titles."""
        word = self.lexicon.words.singular(token.key)
        if self.excluding or not self.part.asked:
            if self.excluding and self.part.asked and word in self.lexicon.values.terms:
                self._name(word, token)
                return
        elif self.lexicon.is_rare(word):
            self._name(word, token)
            return
        else:
            self.rest.append(token.text)
            if token.key.isalpha() and word not in self.lexicon.values.terms:
                self.part.unknown, self.part.unknown_stop = token.text, self.at + 1
        self.excluding = False
        self.at += 1

    def _name(self, word: str, token: Token, read_as: str = "") -> None:
        """A word of titles."""
        numbered = any(letter.isdigit() for letter in word) and len(word) >= NUMBERED_FROM
        hard, importance = (True, EXCLUDED) if self.excluding else (numbered, NAMED)
        self.part.facts.append(
            Fact("title", {"contains": word}, hard, token.text, self.excluding, importance, read_as=read_as)
        )
        if not self.excluding:
            self.rest.append(token.text)
        self.last_excluded, self.excluding = self.excluding, False
        self.at += 1

    def _add(self, meanings: Sequence[Meaning], length: int) -> None:
        words = self.lexicon.words
        first = meanings[0]
        values = (*first.values, *first.nearly) if self.excluding else first.values  # patent leather is leather
        value: Any = values[0] if len(values) == 1 else list(values)
        fact = Fact(
            column=first.column,
            value=value if values else True,
            hard=self.excluding or words.hard(first.role),
            words=self._words(length),
            excluded=self.excluding,
            importance=EXCLUDED if self.excluding else words.importance(first.role),
            nearly=() if self.excluding else first.nearly,
        )
        facts = self.part.facts
        if self.at == self.phrase_stop and facts and (merged := both(facts[-1], fact)):
            facts[-1] = replace(merged, words=f"{facts[-1].words} {fact.words}")
        else:
            facts.append(fact)
        self.last_excluded, self.excluding = self.excluding, False
        self.at += length
        self.phrase_stop = self.at

    def _keys(self, length: int, at: int | None = None) -> Phrase:
        """What is compared of the tokens at a place."""
        at = self.at if at is None else at
        return tuple(token.key for token in self.tokens[at : at + length])

    def _words(self, length: int) -> str:
        """The tokens at `at` as they were typed."""
        part = self.tokens[self.at : self.at + length]
        return self.text[part[0].start : part[-1].stop]

    def result(self) -> Understanding:
        """What was read, with alternatives of one column joined and contradictions settled."""
        self._settle()
        self._leave_out_unknown()
        asked = [facts for part in self.parts if part.asked and (facts := self._settled(part.facts))]
        beside = [facts for part in self.parts if not part.asked and (facts := joined(part.facts))]
        numbered, partner = (
            [replace(fact, item=n) for n, part in enumerate(group) for fact in part] for group in (asked, beside)
        )
        if not any(fact.column in self.nouns and not fact.excluded for fact in numbered):
            # what goes with my jeans is not another pair of jeans
            numbered += [
                replace(fact, hard=True, excluded=True, importance=EXCLUDED, nearly=(), item=0)
                for fact in partner
                if fact.column in self.nouns and not fact.excluded
            ]
        notes = tuple(dict.fromkeys(self.notes))
        return Understanding(tuple(numbered), tuple(partner), tuple(self.rest), notes, self._about())

    def _leave_out_unknown(self) -> None:
        """Of several items, those of which the catalogue has none are left out: no other item is to be green."""
        asked = [part for part in self.parts if part.asked]
        if any(map(self._has_noun, asked)):
            for part in asked:
                if not self._has_noun(part) and self._names_unknown(part, part.stop):
                    said = " ".join([*(fact.words for fact in part.facts), part.unknown])
                    self.notes.append(f"{said!r} was left out: the catalogue has no {part.unknown!r}")
                    part.facts = []

    def _settled(self, facts: Sequence[Fact]) -> list[Fact]:
        facts = self._decided(joined(facts))
        excluded = {(fact.column, value) for fact in facts if fact.excluded for value in listed(fact.value)}
        settled = []
        for fact in facts:
            if not fact.excluded and isinstance(fact.value, str | list):
                left = [value for value in listed(fact.value) if (fact.column, value) not in excluded]
                if not left:
                    self.notes.append(f"{fact.words!r} is both asked for and excluded; the exclusion counts")
                    continue
                nearly = tuple(value for value in fact.nearly if (fact.column, value) not in excluded)
                fact = replace(fact, value=left[0] if len(left) == 1 else left, nearly=nearly)
            settled.append(fact)
        return settled

    def _decided(self, facts: Sequence[Fact]) -> list[Fact]:
        """The facts, those hard that are so beside what an item is: the pattern of "a striped shirt"."""
        words = self.lexicon.words
        named = any(fact.column in self.nouns and not fact.excluded for fact in facts)
        return [
            replace(fact, hard=True) if named and words.hard_beside_kind(words.role_of(fact.column)) else fact
            for fact in facts
        ]

    def _about(self) -> str:
        """The text without what the item is to go with; the whole text if nothing else is said."""
        kept, at = "", 0
        for part in self.parts:
            if not part.asked and part.facts and part.start < len(self.tokens):
                kept += self.text[at : self.tokens[part.start].start]
                at = self.tokens[part.stop].start if part.stop < len(self.tokens) else len(self.text)
        kept += self.text[at:]
        says = any(part.asked and part.facts for part in self.parts) or self.rest
        return " ".join(kept.split()) if at and says else self.text
