"""The embedded model's vocabulary: bytes, and whole words that people write about surfaces."""

from collections import Counter
from itertools import pairwise

from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer

LENGTH = 32
"""Tokens of a prompt, the two marks at its ends included."""

_START, _END, _SUFFIX = "<|startoftext|>", "<|endoftext|>", "</w>"

_WORDS = """
a an and at between by from in into is near no not of off on or the to under with without
photo image picture view frame sample texture background scene
surface part tile plate component wall sheet strip panel liner blade vane ring tube pipe weld rail
wheel gear bearing casting bottle cable capsule carpet grid hazelnut leather nut pill screw
toothbrush transistor zipper wood wooden brick road pavement bridge
metal steel iron aluminium aluminum copper titanium alloy rust rusty plastic rubber glass ceramic
concrete stone fabric textile paint painted coated coating woven printed patterned plain smooth
rough brushed rolled ground turned machined cast blasted striped magnetic combustor turbine engine
borescope casing chamber cooling industrial
dark bright light small large big long short thin thick deep shallow fine broad round sharp soft
faint clean dirty old new wet dry grey gray black white red green blue brown yellow
top bottom left right middle edge corner centre center border
defect flaw damage anomaly good crack cracks fissure fracture craze crazing scratch scratches
scrape scraped line pit pits pitted pitting pore porosity blowhole bubble cavity void hole holes
opening stain stained patch patches contamination dirt oil spall spalls spallation delamination
flake peeling burn burns burnt scorch scorched oxidation corrosion corroded erosion dent dents bump
break breaks broken chip chipped missing spot spots speck inclusion inclusions fray frayed wear worn
uneven shade cut bent misplaced poke squeeze thread fold color colour print pressed in
""".split()
"""Words of one token each. Others are spelt with pieces of these words, or with letters."""


def tokenizer() -> CLIPTokenizer:
    """The tokenizer, built anew: the same vocabulary at every call.

    Byte-pair merges are learnt from the word list until every word is one token. All 256 bytes
    stay in the vocabulary, so that any text has tokens and no two words have the same.
    """
    merges = _merges(sorted(set(_WORDS)))
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(letter + _SUFFIX for letter in letters)]
    pieces += [one + other for one, other in merges] + [_START, _END]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, the most frequent pair first, until every word is one piece.

    The tokenizers library's trainer breaks ties differently in every process; here the pair that
    comes first in the alphabet wins.
    """
    spelt = [[*word[:-1], word[-1] + _SUFFIX] for word in words]
    merges: list[tuple[str, str]] = []
    while counts := Counter(pair for pieces in spelt for pair in pairwise(pieces)):
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        spelt = [_merged(pieces, best) for pieces in spelt]
    return merges


def _merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
