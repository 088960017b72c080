"""Say what the words of requests mean in a bundle: a shop's synonyms, shades and columns, without a new training."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.errors import BundleError, visible

MOST_NAMED = 20  # synonyms that change nothing


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Show, check, set or remove a shop's own file of words beside a bundle. Processes that answer from "
        "the bundle take it up with the next request.",
    )
    parser.add_argument("bundle", help="a bundle folder, such as runs/NAME/bundle")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--set", metavar="FILE.yaml", help="check a shop's file of words, and set it")
    action.add_argument("--check", metavar="FILE.yaml", help="only check a file")
    action.add_argument("--remove", action="store_true", help="go back to the words that the bundle was exported with")
    parser.add_argument("--show", action="store_true", help="print all words that are in use, as YAML")
    return run_command(parser, _words, argv)


def _words(options: argparse.Namespace) -> int:
    import yaml

    from fashion_hash.bundle.bundle import Bundle
    from fashion_hash.bundle.shop_words import FILE, ShopWords, remove_words, set_words
    from fashion_hash.understanding.facts import read_facts
    from fashion_hash.understanding.words import read_words

    bundle = Bundle.open(options.bundle, verify=False)
    sizes = {item_type: len(ids) for item_type, ids in bundle.items.items()}
    facts = read_facts(bundle.path / "requests" / "facts", sizes)
    if facts is None:
        raise BundleError(f"{bundle.root} does not read facts in requests: build it again with build-index")
    if options.check:
        read_words(options.check, facts.words.language)
        print(f"{visible(options.check)} fits")
        _warn(options.bundle, options.check)
    elif options.set:
        set_words(bundle.root, Path(options.set), facts.words.language)
        print(f"{bundle.root / FILE} is set from {visible(options.set)}")
        _warn(options.bundle, options.set)
    elif options.remove:
        removed = remove_words(bundle.root)
        print(f"{bundle.root / FILE} is removed" if removed else f"{bundle.root} has no {FILE}")
    words = ShopWords(bundle.root, facts.words).now()
    if options.show:
        print(yaml.safe_dump(words.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120))
    elif not (options.check or options.set or options.remove):
        source = f"with {bundle.root / FILE}" if (bundle.root / FILE).exists() else "as exported"
        print(f"{words.language}, {source}: {len(words.columns)} columns, {_count(words.synonyms)} synonyms")
    return 0


def _warn(bundle: str, file: str) -> None:
    """Names the synonyms of a file that change nothing, because the catalogue has none of their values."""
    from fashion_hash.bundle.tables.values import values_of
    from fashion_hash.retrieval.recommender import Recommender
    from fashion_hash.understanding.lexicon import unmet_synonyms
    from fashion_hash.understanding.words import own_synonyms, read_words

    synonyms = own_synonyms(file)
    if not synonyms:
        return
    recommender = Recommender.load(bundle, verify=False)
    values = values_of(recommender.columns(), {})
    facts = recommender._now().tower.facts.facts
    assert facts is not None
    unmet = unmet_synonyms(synonyms, read_words(file, facts.words.language), values)
    for role, phrase in unmet[:MOST_NAMED]:
        meant = ", ".join(synonyms[role][phrase])
        print(f"warning: synonyms.{role}.{visible(phrase)} changes nothing: the catalogue has no {visible(meant)}")
    if len(unmet) > MOST_NAMED:
        print(f"warning: and {len(unmet) - MOST_NAMED:,} more")


def _count(synonyms: object) -> int:
    return sum(map(len, synonyms.values())) if isinstance(synonyms, dict) else 0
