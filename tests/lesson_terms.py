"""No word before its time: the first use of a term leads to the glossary.

    python -m tests.lesson_terms            # all lessons, and where the glossary is wrong
    python -m tests.lesson_terms 03         # what lesson 03 would have to change

In each lesson the first cell of text that uses a term of docs/glossary.md links to its entry,
as in `[decade](../docs/glossary.md#decade)`; in the lesson in which the course first uses it, no
code before that cell may show it in a string. Terms that everybody meets in PyTorch need the link
only once in the course, and code may show them at any time.
"""

import ast
import re
import sys

import nbformat

from helpers import lessons
from helpers.lessons import reference

# How each term is written. Words that also have an ordinary meaning are listed in the phrases in
# which they are terms. Case does not matter but for names.
TERMS = {
    "accumulation": r"\bgradient accumulation\b",
    "agc": r"(?-i:\bAGC\b)|\badaptive (?:gradient )?clipping\b",
    "autocast": r"\bautocast(?:s|ing)?\b",
    "backpropagation": r"\bback-?propagat(?:ion|es?)\b|\bbackprop\b",
    "backpropagation-through-time": r"\bback-?propagation through time\b|\bBPTT\b",
    "batch": r"\bbatch(?:es)?\b(?![ -]?norm)",
    "batch-norm": r"\bbatch[ -]?norm(?:s|ali[sz]ation)?\b|\bBatchNorm",
    "bfloat16": r"\bbfloat16\b",
    "branch": r"\bbranch(?:es)?\b",
    "centred": r"\bcentred\b",
    "chi": r"\bchi\b|\\chi(?![a-z])",
    "chrono-initialisation": r"\bchrono\b",
    "clipping": r"\bclipping\b|\bclipped\b",
    "correlation-depth": r"\bcorrelation depths?\b|\bxi\b|\\xi(?![a-z])",
    "cosine": r"\bcosines?\b",
    "critical": r"\bcritical(?:ity|ly)?\b(?! (?:to|for|of)\b)",
    "dead-unit": r"\bdead (?:unit|ReLU|neuron|share)s?\b|\bdying ReLUs?\b",
    "decade": r"\bdecades?\b(?! ago)",
    "delta": r"\bdeltas?\b|\\delta(?![a-z])",
    "drift": r"\bdrifts?=|\bnumbers? that drifts?\b|\bdrift(?:s|ing)? (?:between|from)\b|≈",
    "edge-of-chaos": r"\bedge of chaos\b",
    "fan_in": r"\bfan(?:_|\\_|[ -])in\b",
    "fan_out": r"\bfan(?:_|\\_|[ -])out\b",
    "finite-difference": r"\bfinite differences?\b",
    "fixed-point": r"\bfixed points?\b",
    "float16": r"\bfloat16\b",
    "flush-to-zero": r"\bflush(?:es|ed|ing)? (?:to zero|subnormals?)\b|\b(?:is|are|were) flushed\b",
    "forget-bias": r"\bforget bias(?:es)?\b",
    "gain": (
        r"\b(?:a|the|its|this|that|which|whose|same|critical|right|small|large|weight) gains?\b"
        r"(?! in\b)|\bgains? (?:of|is|are|must|at|near|above|below|between|times|\d|\$)|`gain`"
    ),
    "gate": r"\b(?:forget|input|output|update) gates?\b|\bgated\b",
    "geometric-mean": r"\bgeometric means?\b|\bgeometrically\b",
    "group-norm": r"\bgroup norms?\b|\bGroupNorm\b",
    "gru": r"\bGRUs?\b",
    "half-sum": r"\bhalf-sums?\b",
    "he": r"(?-i:\bHe's\b|\bHe (?:weights|start|rule|initiali[sz]ation)\b|`he`)|\bkaiming\b",
    "interaction": r"\binteract(?:ions?|s)?\b",
    "irnn": r"\bIRNNs?\b",
    "jacobian": r"\bJacobians?\b",
    "kernel": r"\barc-?cosine\b|\bkernel of\b",
    "layer-norm": r"\blayer[ -]?norm(?:s|ali[sz]ation)?\b|\bLayerNorm\b",
    "learning-rate": r"\blearning rates?\b",
    "lecun": r"(?-i:\bLeCun\b(?! et al|,)|\blecun\b)",
    "ledger": r"\bledgers?\b",
    "loss-scaling": r"\bGradScaler\b|\bloss scal(?:e|ing)\b|\bscaled loss(?:es)?\b",
    "lost-update": r"\blost updates?\b",
    "lstm": r"\bLSTMs?\b",
    "lsuv": r"\bLSUV\b",
    "main-effect": r"\bmain effects?\b",
    "master-copy": r"\bmaster (?:cop(?:y|ies)|weights)\b",
    "moment": r"\b(?:first|second|third|fourth|higher) moments?\b|\bmoments of\b",
    "nan": r"\bnot a number\b",
    "number-formats": r"\bnumber formats\b",
    "order-and-chaos": (
        r"(?<!edge of )\bchaos\b|\bchaotic\b|\bordered (?:phase|side|network)|\*\*order\*\*"
    ),
    "orthogonal": r"\borthogonal(?:ity)?\b",
    "overflow": r"\boverflow(?:s|ed|ing)?\b",
    "padding": r"\bpadding\b|\bpadded\b",
    "participation-ratio": r"\bparticipation ratios?\b",
    "path": r"\bpaths?\b(?! (?:of|to) (?:a|the) file)",
    "persistence": r"\bpersistence\b",
    "post-add": r"\bpost-add\b",
    "pre-activation": r"\bpre-?activations?\b",
    "pre-add": r"\bpre-add\b",
    "pre-norm": r"\bpre-norm\b",
    "q": r"(?<![A-Za-z\\_])(?-i:q)(?![A-Za-z])",
    "residual-block": r"\bresidual blocks?\b",
    "residual-stream": r"\bresidual stream\b",
    "rms-norm": r"\bRMS ?norms?\b",
    "rolling-origin": r"\brolling origins?\b",
    "running-statistics": r"\brunning (?:statistics?|means?|variances?)\b",
    "saturated": r"\bsaturat(?:e|es|ed|ion|ing)\b",
    "seed": r"\bseeds?\b",
    "shattered-gradients": r"\bshatter(?:ed|ing|s)?\b",
    "singular-value": r"\bsingular values?\b",
    "skip": r"\bskips?\b(?! (?:this|the|it|ahead|to)\b)|\bresidual connections?\b",
    "slope": r"\bslopes?\b(?! (?:is not fitted|of (?:the|a|this|each|its) (?:line|curve|map)))",
    "spectral-radius": r"\bspectral radi(?:us|i)\b",
    "subnormal": r"\bsubnormals?\b",
    "tf32": r"\bTF32\b",
    "time-lag": r"\btime lags?\b",
    "underflow": r"\bunderflow(?:s|ed)?\b",
    "unigram-and-bigram": r"\b(?:uni|bi)grams?\b",
    "update-ratio": r"\bupdate ratios?\b",
    "weight-variance": r"\bweight variances?\b|\\sigma_w(?![a-z])",
    "xavier": r"\bXavier\b|\bGlorot's (?:weights|rule|start|initiali[sz]ation)\b",
}
EVERYDAY = {"backpropagation", "batch", "learning-rate", "seed"}

# What a link to another notebook, a section or a paper says is its title, and no use of a word;
# so are the titles of the sections in the line of minutes.
MINUTES = re.compile(r"^About \d+ minutes.*$", re.MULTILINE)
TITLE = re.compile(r"\[[^\]]*\]\((?:https?:|#|[\w/.]*\.ipynb)[^)\s]*\)")
NOT_SAID = re.compile(r"(?<=\])\([^)\s]*\)|<[^<>]*>")
FIRST_IN = re.compile(r"^## (\S[^\n]*)\n.*?First\s+in\s+\[(\d\d)\]", re.MULTILINE | re.DOTALL)


def used(words, term):
    """A term as it stands in words, or nothing."""
    found = re.search(TERMS[term], words, re.IGNORECASE)
    return found[0] if found else ""


def prose(cell):
    """What a cell of text says, without titles of other places; a line ends anywhere."""
    return " ".join(NOT_SAID.sub("", TITLE.sub("", MINUTES.sub("", cell.source))).split())


def strings(cell):
    """What stands in the strings of a cell of code."""
    nodes = ast.walk(ast.parse(cell.source))
    return "\n".join(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def leads(cell, term):
    """Whether a cell links to the entry of a term."""
    return bool(re.search(rf"docs/glossary\.md#{re.escape(term)}[)\"']", cell.source))


def uses(notebook, term):
    """Position, cell and spelling of each use of a term, in order; in code only in strings."""
    for place, cell in enumerate(notebook.cells, 1):
        said = prose(cell) if cell.cell_type == "markdown" else strings(cell)
        if spelling := used(said, term):
            yield place, cell, spelling


def said_of(lesson, notebook, term, first):
    """Complaints about one term in one lesson; `first` if no lesson before used it."""
    everyday = term in EVERYDAY
    found = [one for one in uses(notebook, term) if one[1].cell_type == "markdown" or not everyday]
    text = [one for one in found if one[1].cell_type == "markdown"]
    if not found or (everyday and not first):
        return
    (at, cell, spelling), (explained, said, _) = found[0], (text or found)[0]
    if text and not leads(said, term):
        entry = f"docs/glossary.md#{term}"
        yield f"{lesson} cell {explained} uses {text[0][2]!r} before any link to {entry}"
    if first and cell.cell_type == "code":
        where = f"cell {explained} explains it" if text else "any cell explains it"
        yield f"{lesson} cell {at} uses {spelling!r} in its code before {where}"


def complaints(notebooks, only=()):
    """Say where lessons use a term before they lead to its entry.

    Args:
        notebooks: By their names, such as 01_theory, in course order, from the first.
        only: Numbers of the lessons to complain of; all when empty.
    """
    known = set()
    for name, notebook in notebooks.items():
        here = [term for term in TERMS if next(uses(notebook, term), None)]
        for term in here:
            if not only or name[:2] in only:
                yield from said_of(name[:2], notebook, term, term not in known)
        known.update(here)


def misplaced(notebooks, glossary):
    """Say where the glossary names another lesson than the first that uses a term."""
    for heading, told in FIRST_IN.findall(glossary):
        term = heading.replace(" ", "-")
        lessons_with = [
            name[:2] for name, notebook in notebooks.items() if any(uses(notebook, term))
        ]
        if lessons_with[:1] != [told]:
            first = lessons_with[0] if lessons_with else "no lesson"
            yield f"the glossary says that {heading!r} first stands in {told}; it is {first}"


def main(names):
    """Print complaints about lessons; about all of them and the glossary when none is named."""
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in lessons.paths()}
    only = {path.stem[:2] for path in lessons.paths(names)} if names else set()
    found = list(complaints(notebooks, only))
    if not names:
        found += misplaced(notebooks, reference.paths()[0].read_text(encoding="utf-8"))
    print(*found, sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
