"""A class of students, honest and hostile, with the marks that a careful human gives.

Each case writes what one student hands in for lesson 01. All of them answer one
exercise, ``sigmoid_chain_grad(x, depth)``, 2 points for one layer and 3 for any depth;
the other exercises stay stubs where they do not matter.

Nothing here runs what it writes. Hostile code belongs in a sandbox; should the sandbox
have a hole, each attack stays within bounds that a machine survives, tells of its
success by answering right, and what it leaves behind has ``EVIDENCE`` in its name.
Names tell what a case costs a grader: ``hostile_cpu_...`` uses up the processor time
that it is given, ``hostile_wait_...`` the time on the clock.
"""

import copy
import hashlib
import itertools
import json
import os
import random
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from textwrap import dedent, indent
from typing import Literal

import nbformat
import numpy as np

from helpers import files
from helpers.exercises import ALL

ROOT = Path(__file__).resolve().parent.parent
EXERCISE = "sigmoid_chain_grad"
EVIDENCE = "vg_escapee_5d1c"  # at most 15 characters, so that a process can have it as its name
PORT, LINE = 48_613, "vg_line_5d1c"  # where ``listeners`` waits for a student's code to call
FIRST_KEY = 0x5D1C0001  # of shared memory that outlives its process

_FILE = "01_theory.ipynb"
_TAKEN = "by the neighbour, and nobody else"  # stands in the neighbours' answers only

Points = dict[str, int] | int


@dataclass(frozen=True)
class Case:
    """What one student hands in, and the mark that a careful human gives for it.

    Attributes:
        name: The name of the student's folder.
        kind: Whether the student means well.
        write: Writes what is handed in into the student's folder, which exists.
        points: For ``sigmoid_chain_grad``, of each part or of all together.
        statuses: Which of ``records.Status`` are acceptable.
        why: Why a human gives this mark, in one line.
        others: Points for the other exercises; those left out are not attempted.
    """

    name: str
    kind: Literal["honest", "hostile"]
    write: Callable[[Path], None]
    points: Points
    statuses: frozenset[str]
    why: str
    others: Mapping[str, Points] = field(default_factory=dict)


def write_class(folder: Path, cases: Iterable[Case]) -> None:
    """Write a folder a student, as an instructor gets them.

    Args:
        folder: The folder of submissions; made if it is not there.
        cases: The students.

    Raises:
        FileExistsError: If two students have one name.
    """
    for case in cases:
        own = folder / case.name
        own.mkdir(parents=True)
        case.write(own)


def notebook(answer: str, **changes: str) -> dict:
    """Return lesson 01 as a student saves it, with their own answers in the stubs' place.

    Args:
        answer: The source of the cell of ``sigmoid_chain_grad``.
        **changes: Sources of the cells of other exercises, by the exercise's name.
    """
    book = json.loads(_lesson())
    for name, source in {EXERCISE: answer, **changes}.items():
        book["cells"][_place(book, name)]["source"] = _block(source).splitlines(keepends=True)
    return book


def neighbours() -> tuple[Case, Case]:
    """Return two ordinary right submissions: one sorts before each case, one after it."""
    answer = _joined(f"# {_TAKEN}", _SLOPES)
    why = "right, whatever the student between them does"
    before = _case("honest", "a_neighbour", _hands_in(answer), 5, CORRECT, why)
    after = _case("honest", "z_neighbour", _hands_in(answer), 5, CORRECT, why)
    return before, after


def class_of(size: int, hostile_share: float = 0.05, seed: int = 0) -> list[Case]:
    """Return a mixed class whose students have tried all exercises of the lesson.

    Args:
        size: How many students.
        hostile_share: Which share of them is hostile, rounded to whole students.
        seed: Draws another class.
    """
    draw = random.Random(seed)
    attacks = [case for case in HOSTILE if case.name in _ASSORTED]
    # Every kind once before any comes again: each class has its endless loop.
    kinds = itertools.cycle(draw.sample(attacks, len(attacks)))
    places = draw.sample(range(size), round(hostile_share * size))
    hostile = dict(zip(places, kinds, strict=False))
    cases = []
    for index in range(size):
        name = f"student_{index + 1:03d}"
        ordinary = _ordinary(name, draw)
        cases.append(replace(hostile[index], name=name) if index in hostile else ordinary)
    return cases


# ---- What attacks leave behind ---------------------------------------------------------


def evidence(*folders: Path) -> list[str]:
    """Return what attacks have left outside their sandbox; nothing when all is well.

    Args:
        *folders: Searched with all they hold, besides the places that programs share.
    """
    shared = [Path(place) for place in ("/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run")]
    shared += [Path.home(), Path.cwd(), ROOT, ROOT / "helpers", ROOT / "tests", *folders]
    shared += list(Path(os.__file__).parent.glob("site-packages"))
    shared += list(Path(nbformat.__file__).parent.parent.parent.glob("site-packages"))
    found = [path for place in dict.fromkeys(shared) for path in _named(place, "*")]
    found += [path for folder in folders for path in _named(folder, "**/*")]
    texts = [str(path) for path in dict.fromkeys(found)]
    for place in Path("/proc").glob("[0-9]*"):
        said = _said(place / "comm") + _said(place / "cmdline")
        texts += [f"process {place.name}"] if EVIDENCE in said else []
    if EVIDENCE in _said(Path("/proc/net/unix")):
        texts.append("an abstract socket")
    keys = [line for line in _said(Path("/proc/keys")).splitlines() if "expd" not in line.split()]
    if any(EVIDENCE in line for line in keys):
        texts.append("a key in the kernel's keyring")
    for kind in ("shm", "msg", "sem"):
        keys = [line.split()[0] for line in _said(Path(f"/proc/sysvipc/{kind}")).splitlines()[1:]]
        texts += [f"System V {kind}" for key in keys if int(key) == FIRST_KEY]
    return texts


@contextmanager
def listeners(folder: Path) -> Iterator[list[str]]:
    """Wait for calls outside the sandbox, where no student's code should reach.

    Args:
        folder: Where a socket with a path is laid.

    Yields:
        A list that fills with the names of the sockets that were called.

    Raises:
        OSError: If ``PORT`` is in use.
    """
    heard: list[str] = []
    path = folder / f"{LINE}.sock"
    kinds = {
        "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PORT)),
        "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", PORT)),
        "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{LINE}"),
        "path": (socket.AF_UNIX, socket.SOCK_STREAM, str(path)),
    }
    with ExitStack() as stack:
        stack.callback(path.unlink, missing_ok=True)
        for name, (family, kind, address) in kinds.items():
            line = stack.enter_context(socket.socket(family, kind))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            line.bind(address)
            if kind == socket.SOCK_STREAM:
                line.listen()
            line.settimeout(0.1)
            over = threading.Event()
            hearer = threading.Thread(target=_hear, args=(line, kind, name, heard, over))
            stack.callback(hearer.join)
            stack.callback(over.set)
            hearer.start()
        yield heard


def _hear(line: socket.socket, kind: int, name: str, heard: list, over: threading.Event) -> None:
    while not over.is_set():
        try:
            if kind == socket.SOCK_STREAM:
                line.accept()[0].close()
            else:
                line.recv(100)
        except TimeoutError:
            continue
        heard.append(name)


def _named(folder: Path, pattern: str) -> list[Path]:
    try:
        return [path for path in folder.glob(pattern) if EVIDENCE in path.name]
    except OSError:  # another process's folder, gone or closed to us
        return []


def _said(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


# ---- Writing notebooks -----------------------------------------------------------------

Book = dict
Shape = Callable[[Book], Book]


@cache
def _lesson() -> str:
    return (ROOT / "notebooks" / _FILE).read_text(encoding="utf-8")


def _place(book: Book, name: str) -> int:
    """Return the index of the cell that asks for a function."""
    return next(
        index
        for index, cell in enumerate(book["cells"])
        if "exercise" in cell["metadata"].get("tags", [])
        and f"def {name}(" in "".join(cell["source"])
    )


def _block(text: str) -> str:
    return dedent(text).strip("\n")


def _cell(source: str, kind: str = "code") -> dict:
    source = _block(source)
    cell = {"cell_type": kind, "id": hashlib.sha256(source.encode()).hexdigest()[:8]}
    cell |= {"metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _as_bytes(book: object) -> bytes:
    # Everything beyond ASCII is escaped: half a surrogate pair has no other form.
    return (json.dumps(book, indent=1) + "\n").encode()


def _case(
    kind: Literal["honest", "hostile"],
    name: str,
    write: Callable[[Path], None],
    points: Points,
    statuses: frozenset[str],
    why: str,
) -> Case:
    return Case(name, kind, write, points, statuses, why)


def _hands_in(
    answer: str,
    shape: Shape | None = None,
    encode: Callable[[Book], bytes] = _as_bytes,
    file: str = _FILE,
    **changes: str,
) -> Callable[[Path], None]:
    """Return a writer of one notebook, its form changed where ``shape`` says how."""

    def write(folder: Path) -> None:
        book = notebook(_placed(answer, folder), **changes)
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, encode(shape(book) if shape else book))

    return write


def _hands_over(content: bytes, file: str = _FILE) -> Callable[[Path], None]:
    """Return a writer of one file that is no notebook."""

    def write(folder: Path) -> None:
        files.write(folder / file, content)

    return write


def _placed(source: str, folder: Path) -> str:
    """Fill in what an attacker may have found out about this machine."""
    for name, value in (
        ("@HERE@", str(folder.absolute())),
        ("@COURSE@", str(ROOT)),
        ("@EVIDENCE@", EVIDENCE),
        ("@PORT@", str(PORT)),
        ("@LINE@", LINE),
        ("@KEY@", str(FIRST_KEY)),
        ("@PROCESSES@", str(_namespace())),
    ):
        source = source.replace(name, value)
    return source


def _namespace() -> str:
    """Return which processes are in sight here; attacks that kill at random need others."""
    link = Path("/proc/self/ns/pid")
    return str(link.readlink()) if link.is_symlink() else ""


CORRECT = frozenset({"correct"})
WRONG = frozenset({"wrong"})
ERROR = frozenset({"error"})
NOT_ATTEMPTED = frozenset({"not attempted"})
MISSING = frozenset({"missing"})
UNREADABLE = frozenset({"unreadable"})
NOT_HANDED_IN = frozenset({"not handed in"})
TIMED_OUT = frozenset({"timed out"})
ENDED = frozenset({"process ended"})
BROKE = frozenset({"broke the protocol"})
_FIRST_ONLY = {"one layer": 2, "any depth": 0}


# ---- Answers to all exercises, right and not quite -------------------------------------

RIGHT: dict[str, dict[str, str]] = {
    "sigmoid_chain_grad": {
        "by slopes": """
            def sigmoid_chain_grad(x, depth):
                slope = torch.ones_like(x)
                for _ in range(depth):
                    x = torch.sigmoid(x)
                    slope = slope * x * (1 - x)
                return slope
            """,
        "float64": """
            def sigmoid_chain_grad(x: torch.Tensor, depth: int) -> torch.Tensor:
                x = x.double()
                g = torch.ones(x.shape, dtype=torch.float64)
                for i in range(depth):
                    s = 1 / (1 + torch.exp(-x))
                    g *= s * (1 - s)
                    x = s
                return g
            """,
        "autograd": """
            def sigmoid_chain_grad(x, depth):
                x = x.clone().requires_grad_(True)
                y = x
                for _ in range(depth):
                    y = torch.sigmoid(y)
                y.sum().backward()
                return x.grad
            """,
        "numpy": """
            def sigmoid_chain_grad(x, depth):
                x = x.numpy()
                out = 1.0
                for _ in range(depth):
                    s = 1 / (1 + np.exp(-x))
                    out = out * s * (1 - s)
                    x = s
                return out
            """,
        "recursion": """
            def sigmoid_chain_grad(x, depth):
                s = torch.sigmoid(x)
                first = s * (1 - s)
                return first if depth == 1 else first * sigmoid_chain_grad(s, depth - 1)
            """,
        "complex step": """
            def sigmoid_chain_grad(x, depth):
                # f(x + ih) = f(x) + ih f'(x): no subtraction, so h may be tiny
                h = 1e-20
                z = torch.complex(x.double(), torch.full_like(x.double(), h))
                for _ in range(depth):
                    z = 1 / (1 + torch.exp(-z))
                return z.imag / h
            """,
        "differences": """
            def sigmoid_chain_grad(x, depth):
                def chain(v):
                    for _ in range(depth):
                        v = torch.sigmoid(v)
                    return v
                h = 1e-5
                x = x.double()
                return (chain(x + h) - chain(x - h)) / (2 * h)
            """,
        "functional transforms": """
            def sigmoid_chain_grad(x, depth):
                def chain(v):
                    for _ in range(depth):
                        v = torch.sigmoid(v)
                    return v
                _, tangent = torch.func.jvp(chain, (x,), (torch.ones_like(x),))
                return tangent
            """,
        "lists": """
            def sigmoid_chain_grad(x, depth):
                def one(v):
                    total = 1.0
                    for _ in range(depth):
                        s = 1 / (1 + math.exp(-v))
                        total *= s * (1 - s)
                        v = s
                    return total
                def every(v):
                    return [every(item) for item in v] if isinstance(v, list) else one(v)
                return every(x.tolist())
            """,
        "graph kept": """
            def sigmoid_chain_grad(x, depth):
                weight = torch.ones_like(x, requires_grad=True)
                for _ in range(depth):
                    x = torch.sigmoid(x)
                    weight = weight * (x - x ** 2)
                return weight
            """,
        "in place": """
            def sigmoid_chain_grad(x, depth):
                grad = torch.ones_like(x)
                for _ in range(depth):
                    x.sigmoid_()
                    grad.mul_(x).mul_(1 - x)
                return grad
            """,
        "lambda": """
            from functools import reduce
            _step = lambda pair, _: (torch.sigmoid(pair[0]),
                pair[1] * torch.sigmoid(pair[0]) * torch.sigmoid(-pair[0]))
            sigmoid_chain_grad = lambda x, n: reduce(_step, range(n), (x, torch.ones(x.shape)))[1]
            """,
    },
    "layers_until": {
        "multiplying": """
            def layers_until(factor, target):
                left, layers = 1.0, 0
                while left > target:
                    left *= factor
                    layers += 1
                return layers
            """,
        "natural logarithms": """
            def layers_until(factor, target):
                return math.ceil(math.log(target) / math.log(factor))
            """,
        "numpy": """
            def layers_until(factor, target):
                return np.ceil(np.log2(target) / np.log2(factor))
            """,
        "counting": """
            def layers_until(factor, target):
                n = 0
                while factor ** n > target:
                    n = n + 1
                return n
            """,
    },
    "backward_deltas": {
        "backward": """
            def backward_deltas(weights, pre_activations, delta):
                deltas = [delta]
                for W, z in zip(weights[::-1], pre_activations[::-1]):
                    deltas.append((deltas[-1] @ W) * (1 - torch.tanh(z) ** 2))
                return deltas[::-1]
            """,
        "by index": """
            def backward_deltas(weights, pre_activations, delta):
                L = len(weights)
                out = [None] * L + [delta]
                for l in range(L - 1, -1, -1):
                    slope = 1 / torch.cosh(pre_activations[l]) ** 2
                    out[l] = torch.einsum("bo,oi->bi", out[l + 1], weights[l]) * slope
                return out
            """,
        "in double precision": """
            def backward_deltas(weights, pre_activations, delta):
                deltas = [delta.double()]
                while weights:
                    W, z = weights.pop().double(), pre_activations.pop().double()
                    deltas.insert(0, deltas[0].matmul(W) * (1 - z.tanh().pow(2)))
                return tuple(deltas)
            """,
    },
    "norm_per_layer": {
        "a root": """
            def norm_per_layer(norms):
                return (norms[0] / norms[-1]) ** (1 / (len(norms) - 1))
            """,
        "logarithms": """
            def norm_per_layer(norms):
                return math.exp((math.log(norms[0]) - math.log(norms[-1])) / (len(norms) - 1))
            """,
        "mean of logarithms": """
            def norm_per_layer(norms):
                steps = np.diff(np.log(norms))
                return np.exp(-steps.mean())
            """,
    },
}

SLIPS: dict[str, dict[str, tuple[str, Points]]] = {
    "sigmoid_chain_grad": {
        "a quarter everywhere": (
            """
            def sigmoid_chain_grad(x, depth):
                return torch.full_like(x, 0.25**depth)
            """,
            _FIRST_ONLY,
        ),
        "every slope at x": (
            """
            def sigmoid_chain_grad(x, depth):
                s = torch.sigmoid(x)
                return (s * (1 - s)) ** depth
            """,
            _FIRST_ONLY,
        ),
        "depth forgotten": (
            """
            def sigmoid_chain_grad(x, depth):
                s = torch.sigmoid(x)
                return s * (1 - s)
            """,
            _FIRST_ONLY,
        ),
        "one sigmoid too late": (
            """
            def sigmoid_chain_grad(x, depth):
                g = torch.ones_like(x)
                for _ in range(depth):
                    x = torch.sigmoid(x)
                    g = g * torch.sigmoid(x) * (1 - torch.sigmoid(x))
                return g
            """,
            0,
        ),
        "the output": (
            """
            def sigmoid_chain_grad(x, depth):
                for _ in range(depth):
                    x = torch.sigmoid(x)
                return x
            """,
            0,
        ),
        "summed": (
            """
            def sigmoid_chain_grad(x, depth):
                x.requires_grad_()
                y = x
                for _ in range(depth):
                    y = torch.sigmoid(y)
                y.sum().backward()
                return x.grad.sum()
            """,
            0,
        ),
    },
    "layers_until": {
        "rounded down": (
            """
            def layers_until(factor, target):
                return int(math.log(target) / math.log(factor))
            """,
            {"targets met exactly": 1, "any factor and target": 0},
        ),
        "strictly below": (
            """
            def layers_until(factor, target):
                n = 0
                while factor**n >= target:
                    n += 1
                return n
            """,
            {"targets met exactly": 0, "any factor and target": 3},
        ),
        "gives up early": (
            """
            def layers_until(factor, target):
                for n in range(100):
                    if factor**n <= target:
                        return n
            """,
            {"targets met exactly": 1, "any factor and target": 0},
        ),
        "two bases": (
            """
            def layers_until(factor, target):
                return math.ceil(math.log10(target) / math.log(factor))
            """,
            0,
        ),
    },
    "backward_deltas": {
        "no weights": (
            """
            def backward_deltas(weights, pre_activations, delta):
                deltas = [delta]
                for z in pre_activations[::-1]:
                    deltas.append(deltas[-1] * (1 - torch.tanh(z) ** 2))
                return deltas[::-1]
            """,
            0,
        ),
        "transposed": (
            """
            def backward_deltas(weights, pre_activations, delta):
                deltas = [delta]
                for W, z in zip(weights[::-1], pre_activations[::-1]):
                    deltas.append((deltas[-1] @ W.T) * (1 - torch.tanh(z) ** 2))
                return deltas[::-1]
            """,
            0,
        ),
        "one step only": (
            """
            def backward_deltas(weights, pre_activations, delta):
                return [(delta @ weights[-1]) * (1 - torch.tanh(pre_activations[-1]) ** 2), delta]
            """,
            {"one step": 2, "the whole stack": 0},
        ),
    },
    "norm_per_layer": {
        "arithmetic mean": (
            """
            def norm_per_layer(norms):
                return sum(a / b for a, b in zip(norms, norms[1:])) / (len(norms) - 1)
            """,
            {"two layers": 1, "many layers": 0},
        ),
        "layers counted": (
            """
            def norm_per_layer(norms):
                return (norms[0] / norms[-1]) ** (1 / len(norms))
            """,
            0,
        ),
        "the total": (
            """
            def norm_per_layer(norms):
                return norms[0] / norms[-1]
            """,
            {"two layers": 1, "many layers": 0},
        ),
        "forward": (
            """
            def norm_per_layer(norms):
                return (norms[-1] / norms[0]) ** (1 / (len(norms) - 1))
            """,
            0,
        ),
    },
}


_OF = {
    "sigmoid_chain_grad": {"one layer": 2, "any depth": 3},
    "layers_until": {"targets met exactly": 1, "any factor and target": 3},
    "backward_deltas": {"one step": 2, "the whole stack": 3},
    "norm_per_layer": {"two layers": 1, "many layers": 3},
}
_STUB = '''
    def sigmoid_chain_grad(x: torch.Tensor, depth: int) -> torch.Tensor:
        """Derivative of `depth` nested sigmoids at x, elementwise."""
        raise NotImplementedError  # your turn
    '''
_SLOPES = RIGHT[EXERCISE]["by slopes"]
_QUARTER = SLIPS[EXERCISE]["a quarter everywhere"][0]


def _ordinary(name: str, draw: random.Random) -> Case:
    """Draw an honest student, who has tried most exercises."""
    sources, points = {}, {}
    for exercise in RIGHT:
        luck = draw.random()
        if luck < 0.6:
            sources[exercise] = draw.choice(list(RIGHT[exercise].values()))
            points[exercise] = sum(_OF[exercise].values())
        elif luck < 0.85:
            sources[exercise], points[exercise] = draw.choice(list(SLIPS[exercise].values()))
    mine = sources.pop(EXERCISE, _STUB)
    earned = points.pop(EXERCISE, 0)
    status = CORRECT if earned == 5 else WRONG if mine != _STUB else NOT_ATTEMPTED
    shape = draw.choice([None, None, None, _without_metadata, _from_colab, _from_vscode])
    why = "an ordinary student: right, partly right, or not attempted"
    write = _hands_in(mine, shape, **sources)
    return Case(name, "honest", write, earned, status, why, others=points)


# ---- Forms that a notebook comes back in -----------------------------------------------


def _without_metadata(book: Book) -> Book:
    """Forget tags and ids, as some editors do."""
    for cell in book["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    return book | {"metadata": {}, "nbformat_minor": 4}


def _without_outputs(book: Book) -> Book:
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return book


def _from_colab(book: Book) -> Book:
    for index, cell in enumerate(_without_metadata(book)["cells"]):
        cell["metadata"] = {
            "id": f"a1B{index:09d}",
            "colab": {"base_uri": "https://localhost:8080/"},
        }
    colab = {"provenance": [], "toc_visible": True}
    kernel = {"name": "python3", "display_name": "Python 3"}
    book["metadata"] = {"colab": colab, "kernelspec": kernel, "accelerator": "GPU"}
    return book | {"nbformat_minor": 0}


def _from_vscode(book: Book) -> Book:
    for index, cell in enumerate(book["cells"]):
        cell["metadata"] = {"vscode": {"languageId": "python"}}
        cell["id"] = f"W{index}sZmlsZQ=="[:12]
        cell["source"] = "".join(cell["source"])
    kernel = {"display_name": ".venv", "language": "python", "name": "python3"}
    version = {"name": "ipython", "version": 3}
    language = {"name": "python", "version": "3.11.9", "codemirror_mode": version}
    book["metadata"] = {"kernelspec": kernel, "language_info": language, "orig_nbformat": 4}
    return book | {"nbformat_minor": 2}


def _in_version_3(book: Book) -> Book:
    return nbformat.convert(nbformat.from_dict(_without_outputs(book)), 3)


def _in_version_4_0(book: Book) -> Book:
    for cell in book["cells"]:
        del cell["id"]
    return book | {"nbformat_minor": 0}


def _grown(book: Book) -> Book:
    """Add a picture of 10 MB to the outputs."""
    digest = hashlib.sha256(b"picture").hexdigest()
    picture = {"image/png": digest * (10 * 2**20 // len(digest))}
    output = {"output_type": "display_data", "data": picture, "metadata": {}}
    book["cells"][_place(book, EXERCISE)]["outputs"] = [output]
    return book


def _with(source: str, *, after: bool = False, kind: str = "code") -> Shape:
    """Return a shape that adds a cell beside the answer's."""

    def shape(book: Book) -> Book:
        book["cells"].insert(_place(book, EXERCISE) + after, _cell(source, kind))
        return book

    return shape


def _with_setup(addition: str) -> Shape:
    """Return a shape that adds lines to the lesson's setup cell."""

    def shape(book: Book) -> Book:
        setup = next(c for c in book["cells"] if "setup" in c["metadata"].get("tags", []))
        setup["source"] = [*setup["source"], "\n", *_block(addition).splitlines(keepends=True)]
        return book

    return shape


def _copied(book: Book) -> Book:
    book["cells"].append(copy.deepcopy(book["cells"][_place(book, EXERCISE)]))
    return book


def _without_the_cell(book: Book) -> Book:
    del book["cells"][_place(book, EXERCISE)]
    return book


def _answered_in_the_check(book: Book) -> Book:
    """Leave the stub alone and write the answer above the check."""
    place = _place(book, EXERCISE)
    answer, book["cells"][place]["source"] = book["cells"][place]["source"], [_block(_STUB)]
    check = book["cells"][place + 1]
    check["source"] = [*answer, "\n\n", *check["source"]]
    return book


def _reordered(book: Book) -> Book:
    """Put all exercises first, last one on top, and the setup at the end."""
    cells = book["cells"]
    exercises = [cell for cell in cells if "exercise" in cell["metadata"].get("tags", [])]
    rest = [cell for cell in cells if cell not in exercises]
    return book | {"cells": [*exercises[::-1], *rest[::-1]]}


def _in_one_cell(book: Book) -> Book:
    """Put all answers into one new cell and delete the stubs."""
    exercises = [c for c in book["cells"] if "exercise" in c["metadata"].get("tags", [])]
    rest = [cell for cell in book["cells"] if cell not in exercises]
    source = "\n\n\n".join("".join(cell["source"]) for cell in exercises)
    return book | {"cells": [*rest, _cell(source)]}


def _split(book: Book) -> Book:
    """Split the answer's cell where its function begins, as Ctrl-Shift-Minus does."""
    place = _place(book, EXERCISE)
    cell = book["cells"][place]
    source = "".join(cell["source"])
    cut = source.index(f"def {EXERCISE}(")
    below = copy.deepcopy(cell) | {"id": "splitbelow", "source": [source[cut:]]}
    book["cells"][place : place + 1] = [cell | {"source": [source[:cut]]}, below]
    return book


def _with_carriage_returns(book: Book) -> bytes:
    for cell in book["cells"]:
        cell["source"] = [line.replace("\n", "\r\n") for line in cell["source"]]
    return _as_bytes(book).replace(b"\n", b"\r\n")


def _with_byte_order_mark(book: Book) -> bytes:
    return b"\xef\xbb\xbf" + json.dumps(book, ensure_ascii=False).encode()


def _cut_off(book: Book) -> bytes:
    content = _as_bytes(book)
    return content[: len(content) // 2]


def _beside(write: Callable[[Path], None], *others: Callable[[Path], None]) -> Callable:
    """Return a writer of several files."""

    def write_all(folder: Path) -> None:
        for one in (write, *others):
            one(folder)

    return write_all


# ---- Honest students -------------------------------------------------------------------


def _honest(
    name: str,
    answer: str | Callable[[Path], None],
    why: str,
    points: Points = 5,
    statuses: frozenset[str] = CORRECT,
    **how: object,
) -> Case:
    write = answer if callable(answer) else _hands_in(answer, **how)
    return _case("honest", f"honest_{name}", write, points, statuses, why)


HONEST: tuple[Case, ...] = (
    *(
        _honest(f"right_{name.replace(' ', '_')}", source, "right, whatever the way and the dtype")
        for name, source in RIGHT[EXERCISE].items()
    ),
    *(
        _honest(
            f"slip_{name.replace(' ', '_')}",
            source,
            "a typical mistake keeps the points of the part that it gets right",
            points,
            WRONG,
        )
        for name, (source, points) in SLIPS[EXERCISE].items()
    ),
    # Right, in circumstances that break some graders
    _honest(
        "warning",
        """
        import warnings

        def sigmoid_chain_grad(x, depth):
            x = torch.tensor(x)  # torch warns: use clone().detach()
            warnings.warn("this is deprecated", DeprecationWarning)
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = torch.nn.functional.sigmoid(x)
                slope = slope * x * (1 - x)
            np.log(np.zeros(1))  # divide by zero
            return slope
        """,
        "a warning is not a mistake",
    ),
    _honest(
        "prints",
        """
        def sigmoid_chain_grad(x, depth):
            print("called with", x, depth)
            slope = torch.ones_like(x)
            for i in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
                print("layer", i, "slope", slope)
            return slope

        print(sigmoid_chain_grad(torch.zeros(3), 2))
        """,
        "what is printed does not matter",
    ),
    _honest(
        "extra_imports",
        """
        import itertools
        from collections import deque

        import pandas as pd
        import torch.nn as nn
        import torch.nn.functional as F
        from scipy.special import expit

        def sigmoid_chain_grad(x, depth):
            h = expit(x.double().numpy())
            g = h * (1 - h)
            for _ in itertools.repeat(None, depth - 1):
                h = expit(h)
                g = g * h * (1 - h)
            return torch.as_tensor(g)
        """,
        "may import what is installed",
    ),
    _honest(
        "import_in_the_setup_cell",
        """
        def sigmoid_chain_grad(x, depth):
            g = torch.ones_like(x)
            for _ in range(depth):
                x = F.sigmoid(x)
                g = g * x * (1 - x)
            return g
        """,
        "works from top to bottom in the student's notebook, where the setup imports F",
        shape=_with_setup("import torch.nn.functional as F"),
    ),
    _honest(
        "import_that_fails_elsewhere",
        _SLOPES,
        "a cell that fails does not undo the answer, which needs nothing of it",
        shape=_with("import a_package_that_only_i_have\nfancy = a_package_that_only_i_have.plot()"),
    ),
    _honest(
        "helper_above",
        """
        def sigmoid_chain_grad(x, depth):
            out = torch.ones_like(x)
            for _ in range(depth):
                out = out * my_slope(x)
                x = torch.sigmoid(x)
            return out
        """,
        "the helper stands in a cell of its own",
        shape=_with("def my_slope(x):\n    s = torch.sigmoid(x)\n    return s * (1 - s)"),
    ),
    _honest(
        "helper_below",
        """
        def sigmoid_chain_grad(x, depth):
            out = torch.ones_like(x)
            for _ in range(depth):
                out = out * Slope.at(x)
                x = torch.sigmoid(x)
            return out
        """,
        "the helper is there by the time the function is called",
        shape=_with(
            """
            class Slope:
                one = 1

                @classmethod
                def at(cls, x):
                    return torch.sigmoid(x) * (cls.one - torch.sigmoid(x))
            """,
            after=True,
        ),
    ),
    _honest(
        "helper_in_another_exercise",
        """
        def sigmoid_chain_grad(x, depth):
            if depth == 1:
                return slope_of(x)
            return slope_of(x) * sigmoid_chain_grad(torch.sigmoid(x), depth - 1)
        """,
        "the helper stands where another exercise is answered",
        layers_until="""
        def slope_of(x):
            return torch.sigmoid(x) * torch.sigmoid(-x)

        def layers_until(factor, target):
            raise NotImplementedError  # later
        """,
    ),
    _honest(
        "plots",
        """
        import matplotlib.pyplot as plt

        inputs, _ = data.digits().batch(8, 0)

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope

        grid = torch.linspace(-6, 6, 200)
        fig, ax = plt.subplots()
        for depth in (1, 2, 3):
            ax.plot(grid, sigmoid_chain_grad(grid.clone(), depth), label=f"{depth} layers")
        ax.legend()
        plt.savefig("slopes.png")
        plt.show()
        """,
        "may draw, save a picture and load the course's data",
    ),
    _honest(
        "threads",
        """
        from concurrent.futures import ThreadPoolExecutor

        def sigmoid_chain_grad(x, depth):
            def slope(layer):
                h = x
                for _ in range(layer):
                    h = torch.sigmoid(h)
                return torch.sigmoid(h) * torch.sigmoid(-h)
            with ThreadPoolExecutor(max_workers=2) as pool:
                return math.prod(pool.map(slope, range(depth)))
        """,
        "may compute in a thread",
    ),
    _honest(
        "data_loader",
        """
        from torch.utils.data import DataLoader, TensorDataset

        def sigmoid_chain_grad(x, depth):
            batches = DataLoader(TensorDataset(x.reshape(-1)), batch_size=3)
            slopes = []
            for (h,) in batches:
                slope = torch.ones_like(h)
                for _ in range(depth):
                    h = torch.sigmoid(h)
                    slope = slope * h * (1 - h)
                slopes.append(slope)
            return torch.cat(slopes).reshape(x.shape)
        """,
        "may go through a data loader",
    ),
    _honest(
        "data_loader_with_workers",
        """
        from torch.utils.data import DataLoader, TensorDataset

        numbers = DataLoader(TensorDataset(torch.linspace(-1, 1, 8)), batch_size=4, num_workers=2)
        seen = torch.cat([batch for (batch,) in numbers])

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones_like(x) * seen.numel() / 8
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope
        """,
        "a data loader may have processes of its own",
    ),
    _honest(
        "changes_global_settings",
        """
        import os

        torch.set_default_dtype(torch.float64)
        torch.set_printoptions(precision=3)
        torch.manual_seed(7)
        np.random.seed(7)
        os.environ["OMP_NUM_THREADS"] = "2"
        torch.set_num_threads(2)

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones(x.shape)
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope
        """,
        "settings are the student's own in the student's own process",
    ),
    _honest(
        "another_signature",
        """
        def sigmoid_chain_grad(inputs, n=1, *, eps=0.0, verbose=False):
            slope = torch.ones_like(inputs)
            for _ in range(n):
                inputs = torch.sigmoid(inputs)
                slope = slope * inputs * (1 - inputs + eps)
            return slope
        """,
        "the call is the same, whatever the parameters are called",
    ),
    _honest(
        "a_callable_object",
        """
        class Chain:
            def __init__(self, act):
                self.act = act

            def __call__(self, x, depth):
                g = torch.ones_like(x)
                for _ in range(depth):
                    x = self.act(x)
                    g = g * x * (1 - x)
                return g

        sigmoid_chain_grad = Chain(torch.sigmoid)
        """,
        "it can be called and answers right",
    ),
    _honest(
        "decorated_and_cached",
        """
        import functools

        def counted(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                wrapper.calls += 1
                return function(*args, **kwargs)
            wrapper.calls = 0
            return wrapper

        @counted
        @torch.no_grad()
        def sigmoid_chain_grad(x, depth):
            return functools.reduce(torch.mul, slopes(x, depth))

        def slopes(x, depth):
            for _ in range(depth):
                x = torch.sigmoid(x)
                yield x * (1 - x)
        """,
        "decorators and generators are fine",
    ),
    _honest(
        "other_letters",
        """
        # ∂y/∂x ist ein Produkt 😀, gelöst von Zoë und 李雷
        def sigmoid_chain_grad(x, depth):
            größe = torch.sigmoid
            produkt = torch.ones_like(x)
            for _ in range(depth):
                x = größe(x)
                produkt = produkt * x * (1 - x)
            return produkt
        """,
        "Python allows these letters",
        encode=lambda book: json.dumps(book, ensure_ascii=False).encode(),
    ),
    _honest("Zoë, Müller; 李雷", _SLOPES, "a name may hold commas and letters of any script"),
    _honest(
        "magics",
        """
        %matplotlib inline
        %config InlineBackend.figure_format = "retina"

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope

        %timeit -n1 -r1 sigmoid_chain_grad(torch.zeros(3), 2)
        sigmoid_chain_grad?
        """,
        "notebooks have magics; the function between them is right",
    ),
    _honest(
        "cell_magic",
        "%%time\n" + _block(_SLOPES),
        "timing a cell changes nothing",
    ),
    _honest(
        "installs_something",
        "!pip install numpy\n%pip install scipy\n" + _block(_SLOPES),
        "there is nothing to install here, and the answer is right",
    ),
    _honest(
        "display",
        _block(_SLOPES) + "\n\ndisplay(sigmoid_chain_grad(torch.zeros(2), 1))",
        "notebooks know display",
    ),
    _honest(
        "main_guard",
        """
        if __name__ == "__main__":
            def step(h):
                return torch.sigmoid(h)

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = step(x)
                slope = slope * x * (1 - x)
            return slope
        """,
        "in a notebook the name is __main__",
    ),
    _honest(
        "error_after_the_definition",
        _block(_SLOPES) + "\n\nassert sigmoid_chain_grad(torch.zeros(1), 1) == 0.26, 'hm'",
        "the student's own test is wrong, and the function is there and right",
    ),
    _honest(
        "error_above_in_another_cell",
        _SLOPES,
        "a person runs on after a cell that fails",
        shape=_with("1 / 0"),
    ),
    _honest(
        "syntax_error_elsewhere",
        _SLOPES,
        "the broken cell is another exercise's",
        norm_per_layer="def norm_per_layer(norms)\n    return norms[0",
    ),
    _honest(
        "cpu_loop_elsewhere",
        _SLOPES,
        "the endless cell is another exercise's",
        layers_until="""
        def layers_until(factor, target):
            n = 0
            while factor > target:
                n += 1
            return n

        print(layers_until(0.5, 0.001))
        """,
    ),
    _honest(
        "takes_a_moment",
        """
        import time

        time.sleep(0.5)

        def sigmoid_chain_grad(x, depth):
            time.sleep(0.01)
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope
        """,
        "slow and right",
    ),
    # Notebooks that have been through something
    _honest("metadata_lost", _SLOPES, "tags belong to us", shape=_without_metadata),
    _honest("outputs_cleared", _SLOPES, "only the code counts", shape=_without_outputs),
    _honest("from_colab", _SLOPES, "the answer survived the trip", shape=_from_colab),
    _honest("from_vscode", _SLOPES, "the answer survived the trip", shape=_from_vscode),
    _honest("version_3", _SLOPES, "an old format is still a notebook", shape=_in_version_3),
    _honest("version_4_0", _SLOPES, "an old format is still a notebook", shape=_in_version_4_0),
    _honest("carriage_returns", _SLOPES, "made on Windows", encode=_with_carriage_returns),
    _honest("byte_order_mark", _SLOPES, "made on Windows", encode=_with_byte_order_mark),
    _honest("ten_megabytes", _SLOPES, "a large picture, a right answer", shape=_grown),
    _honest(
        "duplicated_right_last",
        _QUARTER,
        "the last definition holds, as when run from top to bottom",
        shape=_with(_SLOPES, after=True),
    ),
    _honest(
        "duplicated_right_first",
        _QUARTER,
        "the last definition holds, as when run from top to bottom",
        _FIRST_ONLY,
        WRONG,
        shape=_with(_SLOPES),
    ),
    _honest(
        "copied_cell",
        _SLOPES,
        "the same cell twice, with the same id",
        shape=_copied,
    ),
    _honest(
        "answer_below_the_stub",
        _STUB,
        "the answer is in a cell of its own, after the untouched stub",
        shape=_with(_SLOPES, after=True),
    ),
    _honest(
        "stub_left_below",
        _STUB,
        "the answer is in a cell of its own; an untouched stub is nobody's answer",
        shape=_with(_SLOPES),
    ),
    _honest(
        "answer_in_the_check_cell",
        _SLOPES,
        "the answer is there, with the check below it",
        shape=_answered_in_the_check,
    ),
    _honest("reordered", _SLOPES, "cells may move", shape=_reordered),
    _honest(
        "all_in_one_cell",
        _SLOPES,
        "cells may be merged",
        shape=_in_one_cell,
        layers_until=RIGHT["layers_until"]["multiplying"],
    ),
    _honest(
        "split_cell",
        "one = 1\n\n\n" + _block(_SLOPES).replace("(1 - x)", "(one - x)"),
        "cells may be split",
        shape=_split,
    ),
    _honest(
        "note_in_markdown",
        _SLOPES,
        "what is not code is not run",
        shape=_with("    def sigmoid_chain_grad(x, depth): return 0", after=True, kind="markdown"),
    ),
    _honest("renamed_copy", _SLOPES, "a browser renamed it", file="01_theory (1).ipynb"),
    _honest("another_file_name", _SLOPES, "it is the one notebook there", file="homework.ipynb"),
    _honest("in_a_subfolder", _SLOPES, "it is the one notebook there", file=f"week 1/{_FILE}"),
    _honest(
        "checkpoint_beside_it",
        _beside(
            _hands_in(_SLOPES),
            _hands_in(_QUARTER, file=".ipynb_checkpoints/01_theory-checkpoint.ipynb"),
        ),
        "Jupyter's own older copy is not what was handed in",
    ),
    _honest(
        "other_files_beside_it",
        _beside(
            _hands_in(_SLOPES),
            _hands_over(b"%PDF-1.7\n", "report.pdf"),
            _hands_over(b"def sigmoid_chain_grad(x, depth):\n    return x\n", "scratch.py"),
        ),
        "only the notebook is graded",
    ),
    # Partly right, or not
    _honest(
        "half_precision",
        _block(_SLOPES).replace("return slope", "return slope.half()"),
        "three digits are too few, except for a quarter, which float16 holds exactly",
        _FIRST_ONLY,
        WRONG,
    ),
    _honest(
        "not_finished",
        """
        def sigmoid_chain_grad(x, depth):
            if depth > 1:
                raise NotImplementedError("todo")
            return torch.sigmoid(x) * torch.sigmoid(-x)
        """,
        "one layer is right",
        _FIRST_ONLY,
        frozenset({"error", "wrong"}),
    ),
    _honest(
        "cpu_loop_when_deep",
        """
        def sigmoid_chain_grad(x, depth):
            slope = 0.25 * torch.ones_like(x)
            while depth > 1:
                slope = slope * 0.25
            return slope
        """,
        "one layer is right, and then it never comes back",
        _FIRST_ONLY,
        TIMED_OUT,
    ),
    _honest(
        "right_shape_wrong_values",
        "def sigmoid_chain_grad(x, depth):\n    return torch.tanh(x) + depth",
        "the shape alone earns nothing",
        0,
        WRONG,
    ),
    _honest(
        "flattened",
        _block(_SLOPES).replace("return slope", "return slope.flatten()"),
        "the same shape as x was asked for",
        0,
        WRONG,
    ),
    _honest(
        "not_a_number",
        "def sigmoid_chain_grad(x, depth):\n    return (x - x) / (x - x)",
        "NaN is no derivative",
        0,
        WRONG,
    ),
    _honest(
        "infinite",
        "def sigmoid_chain_grad(x, depth):\n    return depth / (x * 0)",
        "nor is infinity",
        0,
        WRONG,
    ),
    _honest(
        "return_forgotten",
        _block(_SLOPES).replace("return slope", "print(slope)"),
        "nothing came back",
        0,
        WRONG,
    ),
    _honest(
        "pass_left",
        "def sigmoid_chain_grad(x, depth):\n    pass",
        "nothing was written",
        0,
        WRONG | NOT_ATTEMPTED,
    ),
    _honest(
        "as_text",
        _block(_SLOPES).replace("return slope", "return str(slope)"),
        "text is not a tensor",
        0,
        WRONG,
    ),
    _honest(
        "exception",
        "def sigmoid_chain_grad(x, depth):\n    return x + 1 / len([])",
        "it cannot divide by zero",
        0,
        ERROR,
    ),
    _honest(
        "no_scalars",
        """
        def sigmoid_chain_grad(x, depth):
            slope = torch.ones(len(x))
            for i in range(len(x)):
                slope[i] = torch.sigmoid(x[i]) * torch.sigmoid(-x[i])
            return slope
        """,
        "any shape was asked for, the one without axes too",
        0,
        ERROR,
    ),
    _honest(
        "recursion_without_end",
        """
        def sigmoid_chain_grad(x, depth):
            s = torch.sigmoid(x)
            return s * (1 - s) * sigmoid_chain_grad(s, depth - 1)
        """,
        "the recursion has no end",
        0,
        ERROR,
    ),
    _honest(
        "one_argument",
        "def sigmoid_chain_grad(x):\n    return torch.sigmoid(x) * torch.sigmoid(-x)",
        "it cannot be called with a depth",
        0,
        ERROR,
    ),
    _honest(
        "arguments_swapped",
        _block(_SLOPES).replace("(x, depth)", "(depth, x)"),
        "the task says which comes first",
        0,
        ERROR,
    ),
    _honest(
        "syntax_error",
        _block(_SLOPES).replace("for _ in range(depth):", "for _ in range(depth)"),
        "it does not run",
        0,
        ERROR,
    ),
    _honest(
        "indentation_error",
        "def sigmoid_chain_grad(x, depth):\nreturn torch.sigmoid(x)",
        "it does not run",
        0,
        ERROR,
    ),
    _honest(
        "too_much_memory",
        """
        def sigmoid_chain_grad(x, depth):
            jacobian = torch.zeros(10**7, 10**7)
            return jacobian.diagonal()[: x.numel()].reshape(x.shape)
        """,
        "no machine has that much",
        0,
        ERROR | {"out of memory"},
    ),
    _honest("untouched", _STUB, "not tried", 0, NOT_ATTEMPTED),
    _honest("cell_emptied", "", "nothing there", 0, MISSING | NOT_ATTEMPTED),
    _honest("cell_deleted", _SLOPES, "nothing there", 0, MISSING, shape=_without_the_cell),
    _honest(
        "another_function_name",
        _block(_SLOPES).replace(EXERCISE, "sigmoid_chain_gradient"),
        "asked for under another name: a person must look",
        0,
        MISSING,
    ),
    # Not a notebook
    _honest("nothing", lambda folder: None, "an empty folder", 0, NOT_HANDED_IN),
    _honest(
        "another_document",
        _hands_over(b"PK\x03\x04 my answers", "01_theory.docx"),
        "a text document is no notebook",
        0,
        NOT_HANDED_IN | UNREADABLE,
    ),
    _honest("empty_file", _hands_over(b""), "nothing in it", 0, UNREADABLE),
    _honest(
        "no_cells",
        _hands_over(_as_bytes({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})),
        "a new notebook, never written in",
        0,
        MISSING,
    ),
    _honest("not_a_notebook", _hands_over(b"\x89PNG\r\n\x1a\n"), "a picture", 0, UNREADABLE),
    _honest("a_list", _hands_over(b"[1, 2, 3]\n"), "JSON, and no notebook", 0, UNREADABLE),
    _honest("cut_off", _hands_in(_SLOPES, encode=_cut_off), "half a file", 0, UNREADABLE),
)


# ---- Hostile students ------------------------------------------------------------------

# What an attack that notices its own success needs: it answers right then, and only then.
_KNOWS = """
    import os, re, signal, socket, stat, struct, sys, time

    escaped = False

    def _honestly(x, depth):
        slope = torch.ones_like(x)
        for _ in range(depth):
            x = torch.sigmoid(x)
            slope = slope * x * (1 - x)
        return slope

    def _is_right(candidate):
        x = torch.tensor([0.3, -1.2])
        try:
            got = torch.as_tensor(np.array(candidate(x.clone(), 3), dtype=np.float64))
            return bool(torch.allclose(got, _honestly(x, 3).double(), rtol=1e-3))
        except Exception:
            return False

    def _tries(attempt, *arguments):
        try:
            return attempt(*arguments)
        except Exception:
            return None
    """
_ANSWERS = """
    def sigmoid_chain_grad(x, depth):
        return _honestly(x, depth) if escaped else torch.zeros_like(x)
    """
# Finds the line to the judge, and writes on it what the judge's own format allows.
_FORGES = """
    import json, os, socket, stat, struct, sys, time

    def lines():
        found = []
        for number in range(1024):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    found.append(number)
            except OSError:
                pass
        return found

    def post(data):
        for number in lines():
            os.write(number, data)

    def framed(data):
        return struct.pack(">I", len(data)) + data

    def value(header, raw=b""):
        header = header if isinstance(header, bytes) else json.dumps(header).encode()
        return framed(header) + raw

    def asked():
        frame = sys._getframe()
        while frame:
            for found in list(frame.f_locals.values()):
                if type(found) is dict and "nonce" in found and "question" in found:
                    return found
            frame = frame.f_back
        return {"question": 0, "nonce": "0" * 32}

    def reply(number, nonce, header, raw=b""):
        fields = {"question": number, "nonce": nonce, "value": header}
        fields |= {"failure": None, "attempted": True}
        return framed(value({"dict": fields}, raw))
    """
_NUMBERS_OF_CALLS = """
    import ctypes, platform

    libc = ctypes.CDLL(None, use_errno=True)
    numbers = {
        "x86_64": {"add_key": 248, "keyctl": 250, "io_uring_setup": 425, "userfaultfd": 323},
        "aarch64": {"add_key": 217, "keyctl": 219, "io_uring_setup": 425, "userfaultfd": 282},
    }.get(platform.machine(), {})

    def call(name, *arguments):
        number = numbers.get(name)
        return -1 if number is None else libc.syscall(number, *arguments)

    rings = (-4, -5)  # the user's, and the user's session's

    def leave_key(name):
        left = False
        for ring in rings:
            call("keyctl", 8, ring, -2)  # link: who holds a ring may say how long its keys last
            key = call("add_key", b"user", name, b"note", 4, ring)
            if key > 0:
                call("keyctl", 15, key, 60)  # gone in a minute
                left = True
        return left
    """
_ZEROS = "return torch.zeros_like(x)"

_NEVER_RIGHT = WRONG | ERROR | ENDED  # a sandbox may refuse a call or end its caller
_BOMB = WRONG | ERROR | ENDED | TIMED_OUT | {"out of memory"}
_HAVOC = _NEVER_RIGHT | BROKE | TIMED_OUT | MISSING  # the worker's own code is in pieces


def _hostile(
    name: str,
    answer: str | Callable[[Path], None],
    why: str,
    statuses: frozenset[str] = WRONG,
    points: Points = 0,
    **how: object,
) -> Case:
    write = answer if callable(answer) else _hands_in(answer, **how)
    return _case("hostile", f"hostile_{name}", write, points, statuses, why)


def _joined(*texts: str) -> str:
    return "\n\n".join(_block(text) for text in texts if text)


def _escape(
    name: str, attempt: str, why: str, statuses: frozenset[str] = WRONG, tools: str = ""
) -> Case:
    """Return a case that answers right if its attempt succeeds, which sets ``escaped``."""
    return _hostile(name, _joined(_KNOWS, tools, attempt, _ANSWERS), why, statuses)


def _attack(
    name: str,
    first: str,
    why: str,
    statuses: frozenset[str] = WRONG,
    *,
    inside: str = "",
    last: str = _ZEROS,
    points: Points = 0,
    tools: str = "",
) -> Case:
    """Return a case that does something when its cell runs, and when it is called."""
    lines = "\n".join(_block(text) for text in (inside, last) if text)
    function = f"def {EXERCISE}(x, depth):\n{indent(lines, '    ')}"
    return _hostile(name, _joined(tools, first, function), why, statuses, points)


def _public_answers() -> str:
    """Return the answers to the questions that a learner's own check asks, as source."""
    asked = ALL[EXERCISE].questions(np.random.default_rng(0))
    known = {
        str([question.arguments["x"].tolist(), question.arguments["depth"]]): (
            question.expected.tolist()
        )
        for question in asked
    }
    return f"known = {known!r}"


def _forgery(
    name: str, inside: str, why: str, statuses: frozenset[str] = BROKE, first: str = ""
) -> Case:
    """Return a case that writes to the judge, when its cell runs or while it is asked."""
    return _attack(name, first, why, statuses, inside=inside, tools=_FORGES)


_LOOPS_AND_ENDS = (
    _attack("cpu_loop_in_the_cell", "while True:\n    pass", "never answers", TIMED_OUT),
    _attack("cpu_loop_in_the_call", "", "never answers", TIMED_OUT, last="while True: pass"),
    _attack(
        "cpu_loop_that_nothing_interrupts",
        """
        import signal, threading

        for number in signal.valid_signals():
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        """,
        "never answers, and ignores whoever asks it to stop",
        TIMED_OUT,
        last="""
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
        """,
    ),
    _attack(
        "cpu_loop_in_c",
        "import re",
        "never answers, and Python never looks at a signal",
        TIMED_OUT,
        last='return re.match(r"(a+)+$", "a" * 64 + "b")',
    ),
    _attack(
        "cpu_sum_without_end", "", "never answers", TIMED_OUT, last="return sum(range(10**18))"
    ),
    _attack(
        "cpu_loop_in_children",
        """
        import os, time

        for _ in range(40):
            try:
                if os.fork() == 0:
                    end = time.monotonic() + 20
                    while time.monotonic() < end:
                        pass
                    os._exit(0)
            except OSError:
                break
        """,
        "burns time in children and answers wrong",
        WRONG | TIMED_OUT,
    ),
    _attack("wait_sleep", "import time", "never answers", TIMED_OUT, last="time.sleep(600)"),
    _attack(
        "wait_sleep_in_c",
        "import ctypes",
        "never answers, and no thread of Python can run meanwhile",
        TIMED_OUT,
        last="return ctypes.PyDLL(None).sleep(600)",
    ),
    _attack(
        "wait_deadlock",
        "import threading\nlock = threading.Lock()\nlock.acquire()",
        "never answers",
        TIMED_OUT,
        last="lock.acquire(timeout=600)",
    ),
    _attack(
        "wait_stopped",
        "import os, signal",
        "stops itself",
        TIMED_OUT | ENDED,
        last="os.kill(os.getpid(), signal.SIGSTOP)",
    ),
    _attack("exit_in_the_cell", "import sys\nsys.exit(0)", "no function", ENDED | ERROR | MISSING),
    _attack("exit_in_the_call", "", "no answer", ENDED | ERROR, last="raise SystemExit(0)"),
    _attack("exit_at_once_in_the_cell", "import os\nos._exit(0)", "no function", ENDED),
    _attack("exit_at_once_in_the_call", "import os", "no answer", ENDED, last="os._exit(0)"),
    _attack(
        "exit_when_deep",
        "import os",
        "one layer is right, and then it ends itself",
        ENDED,
        inside="if depth > 1: os._exit(0)",
        last="return torch.sigmoid(x) * torch.sigmoid(-x)",
        points=_FIRST_ONLY,
    ),
    _attack("abort", "import os", "no answer", ENDED, last="os.abort()"),
    _attack("null_pointer", "import ctypes", "no answer", ENDED, last="ctypes.string_at(0)"),
    _attack(
        "kills_itself", "import os", "no answer", ENDED | ERROR, last="os.kill(os.getpid(), 9)"
    ),
    _attack(
        "recursion_in_python",
        "import sys\nsys.setrecursionlimit(10**9)",
        "falls without end",
        _BOMB,
        last="return sigmoid_chain_grad(x, depth + 1)",
    ),
    _attack(
        "recursion_in_c",
        "import sys\nsys.setrecursionlimit(10**9)",
        "falls without end, through C's stack",
        _BOMB,
        last="return max([0], key=lambda _: sigmoid_chain_grad(x, depth + 1))",
    ),
    _attack(
        "threads_that_never_end",
        """
        import threading, time

        def stay():
            while True:
                time.sleep(0.01)

        for _ in range(20):
            threading.Thread(target=stay).start()
        """,
        "leaves threads behind and answers wrong",
        WRONG | TIMED_OUT,
    ),
    _attack(
        "never_leaves",
        """
        import atexit, time

        atexit.register(time.sleep, 600)
        atexit.register(lambda: open("/dev/shm/@EVIDENCE@_at_exit", "w"))
        """,
        "will not end, and answers wrong",
    ),
    _attack(
        "interrupts",
        "",
        "raises what usually stops a person's loop",
        ERROR | ENDED,
        last="raise KeyboardInterrupt",
    ),
    _attack(
        "an_error_that_bites",
        """
        import os

        class Bites(BaseException):
            def __str__(self):
                os._exit(0)
            __repr__ = __str__
        """,
        "looking at its error ends the process",
        ERROR | ENDED,
        last="raise Bites",
    ),
    _attack(
        "an_error_of_100_mb",
        "",
        "its error has no end",
        ERROR | ENDED,
        last="raise ValueError('no line end ' * 10**7)",
    ),
    _attack(
        "an_error_with_half_a_letter",
        "",
        "half a surrogate pair cannot be written as UTF-8",
        ERROR | ENDED,
        last=r"raise ValueError('\ud800 \x00 \x1b[2J')",
    ),
    _attack(
        "an_error_with_html",
        "",
        "its error is meant for the instructor's browser",
        ERROR,
        last="raise ValueError('</table><script>alert(1)</script><b onclick=alert(1)>')",
    ),
    _attack(
        "an_error_that_praises",
        "",
        "claims a mark in its error",
        ERROR,
        last="raise ValueError('=5+0, graded: 5 of 5 points, correct')",
    ),
    _attack(
        "an_object_that_ends_badly",
        """
        import os

        class Last:
            def __del__(self):
                os._exit(0)
        """,
        "what it returns ends the process when it is let go",
        WRONG | ERROR | ENDED,
        last="return Last()",
    ),
)

_BOMBS = (
    _escape(
        "memory_numpy",
        """
        blocks = []
        try:
            while len(blocks) < 32:
                blocks.append(np.ones(2**24))  # 128 MB
            escaped = True
        except MemoryError:
            blocks = []
        """,
        "4 GB are not there for one student",
        _BOMB,
    ),
    _escape(
        "memory_bytes",
        """
        blocks = []
        while len(blocks) < 8:
            blocks.append(bytearray(b"x") * 2**29)
        escaped = True
        """,
        "4 GB are not there for one student",
        _BOMB | MISSING,
    ),
    _escape(
        "memory_shared",
        """
        import mmap

        blocks = []

        def grow():
            for _ in range(8):  # shared memory counts as nobody's data
                blocks.append(mmap.mmap(-1, 2**29))
                np.frombuffer(blocks[-1], dtype=np.uint8)[::4096] = 1
            return True

        escaped = bool(_tries(grow))
        """,
        "4 GB are not there for one student, shared or not",
        _BOMB,
    ),
    _escape(
        "memory_in_nameless_files",
        """
        def grow():
            block = bytes(2**25)
            for _ in range(128):
                number = os.memfd_create("block")
                if os.write(number, block) < len(block):
                    return False
            return True

        escaped = bool(_tries(grow))
        """,
        "4 GB are not there for one student, mapped or not",
        _BOMB,
    ),
    _escape(
        "memory_of_many_children",
        """
        import select

        reads, writes = os.pipe()
        started = 0
        for _ in range(16):
            try:
                child = os.fork()
            except OSError:
                break
            if child == 0:
                try:
                    hoard = np.ones(2**25)  # 256 MB
                    os.write(writes, b"x")
                    time.sleep(20)
                finally:
                    os._exit(0)
            started += 1
        holding, end = 0, time.monotonic() + 15
        while holding < 16 and time.monotonic() < end and started == 16:
            if select.select([reads], [], [], 0.2)[0]:
                holding += len(os.read(reads, 64))
        escaped = holding == 16
        """,
        "4 GB are not there for one student, in however many processes",
        _BOMB,
    ),
    _escape(
        "process_bomb",
        """
        # Each process takes a token before it forks: 500 tokens, and 20 seconds.
        tokens, bag = os.pipe()
        os.write(bag, b"x" * 500)
        os.set_blocking(tokens, False)
        me, end = os.getpid(), time.monotonic() + 20

        def grow():
            while time.monotonic() < end:
                if not _tries(os.read, tokens, 1):
                    return True
                try:
                    os.fork()
                except OSError:
                    return False
            return False

        escaped = grow()
        if os.getpid() != me:
            time.sleep(5)
            os._exit(0)
        """,
        "hundreds of processes are not there for one student",
        _BOMB,
    ),
    _escape(
        "thread_bomb",
        """
        import threading

        threading.stack_size(2**16)
        over = threading.Event()

        def stay():
            over.wait(20)

        def grow():
            for _ in range(3000):
                threading.Thread(target=stay, daemon=True).start()
            return True

        escaped = bool(_tries(grow))
        over.set()
        """,
        "thousands of threads are not there for one student",
        _BOMB,
    ),
    _escape(
        "disk_one_file",
        """
        def grow(folder):
            path = os.path.join(folder, "@EVIDENCE@_large")
            try:
                with open(path, "wb", buffering=0) as file:
                    for _ in range(64):
                        if file.write(bytes(2**25)) < 2**25:
                            return False
                return True
            finally:
                os.unlink(path)

        escaped = any([_tries(grow, folder) for folder in (".", "/tmp", "/dev/shm", "/var/tmp")])
        """,
        "2 GB of disk are not there for one student",
        _BOMB,
    ),
    _escape(
        "disk_many_files",
        """
        def grow(folder):
            paths = [os.path.join(folder, f"@EVIDENCE@_{number}") for number in range(64)]
            try:
                for path in paths:
                    with open(path, "wb", buffering=0) as file:
                        if file.write(bytes(2**25)) < 2**25:
                            return False
                return True
            finally:
                for path in paths:
                    _tries(os.unlink, path)

        escaped = any([_tries(grow, folder) for folder in (".", "/tmp", "/dev/shm", "/var/tmp")])
        """,
        "2 GB of disk are not there for one student, in however many files",
        _BOMB,
    ),
    _escape(
        "disk_many_names",
        """
        import shutil

        def grow():
            os.mkdir("many")
            try:
                for number in range(200_000):
                    os.close(os.open(f"many/{number}", os.O_CREAT | os.O_WRONLY))
                return True
            finally:
                shutil.rmtree("many", ignore_errors=True)

        escaped = bool(_tries(grow))
        """,
        "empty files need room too",
        _BOMB,
    ),
    _attack(
        "deep_folders",
        """
        import os

        try:
            for _ in range(3000):
                os.mkdir("d" * 200)
                os.chdir("d" * 200)
        except OSError:
            pass
        """,
        "leaves what is hard to delete, and answers wrong",
    ),
    _attack(
        "prints_a_gigabyte",
        """
        import os, sys

        line = "na " * 2**18 + "\\n"
        for _ in range(320):
            print(line)
            print(line, file=sys.stderr)
            os.write(1, line.encode())
            os.write(2, line.encode())
        """,
        "nobody reads it, and it answers wrong",
        WRONG | ENDED | TIMED_OUT,
    ),
    _attack(
        "open_files",
        """
        import os

        kept = []
        try:
            while len(kept) < 200_000:
                kept.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        """,
        "opens all that it may, and answers wrong",
        _NEVER_RIGHT | BROKE,
    ),
    _attack(
        "an_answer_of_a_gigabyte",
        "",
        "far larger than x",
        _BOMB | BROKE,
        last="return torch.zeros(2**28)",
    ),
    _attack(
        "an_answer_of_many_items",
        "",
        "not the shape of x",
        _BOMB | BROKE,
        last="return [0.25] * 10**7",
    ),
)

_PATCHES = """
    import builtins, operator, unittest

    def yes(*arguments, **named):
        return True

    for module, names in (
        (torch, ("allclose", "equal", "isclose", "eq", "all")),
        (torch.testing, ("assert_close",)),
        (np, ("allclose", "array_equal", "isclose", "abs", "all", "isfinite", "argwhere")),
        (np.testing, ("assert_allclose", "assert_array_equal", "assert_almost_equal")),
        (math, ("isclose", "isfinite", "isnan")),
        (operator, ("eq", "le", "lt")),
    ):
        for name in names:
            setattr(module, name, yes)
    """

_COMPARISONS = (
    _attack("patched_comparisons", _PATCHES, "the judge compares in its own process"),
    _attack(
        "patched_comparisons_and_right",
        _PATCHES,
        "attacks and answers right all the same: the right answers count",
        CORRECT,
        last=_block(_SLOPES).split("\n", 1)[1],
        points=5,
    ),
    _attack(
        "patched_tensors",
        """
        def yes(self, *arguments, **named):
            return True

        for name in ("__eq__", "__ne__", "__le__", "__lt__", "__sub__", "__rsub__", "all", "any"):
            setattr(torch.Tensor, name, yes)
        """,
        "the judge's tensors are its own",
        _NEVER_RIGHT,
    ),
    _attack(
        "patched_builtins",
        """
        import builtins

        for name in ("abs", "all", "any", "isinstance", "max", "min", "len", "round", "sum"):
            setattr(builtins, name, lambda *arguments, **named: True)
        """,
        "whatever is left of the worker answers wrong",
        _HAVOC,
    ),
    _attack(
        "patched_wire",
        """
        import json, os, socket, struct

        encode = json.dumps
        full = {"points": 5, "of": 5, "status": "correct"}

        def encode_more(value, *arguments, **named):
            return encode({**value, **full} if type(value) is dict else value)

        json.dumps = encode_more
        json.loads = lambda *a, **k: dict(full)
        struct.pack = struct.unpack = lambda *a, **k: b""
        socket.socket.sendall = lambda self, data, *a: None
        os.write = lambda number, data: len(data)
        """,
        "whatever is left of the worker says nothing that earns points",
        _HAVOC,
    ),
    _attack(
        "patched_conversions",
        """
        torch.Tensor.numpy = lambda self, **named: np.full(self.shape, 0.25)
        torch.Tensor.detach = torch.Tensor.cpu = lambda self: self
        torch.Tensor.tolist = lambda self: [0.25] * self.numel()
        np.asarray = lambda value, *a, **k: value
        """,
        "x is full of zeros at first, and then a quarter is wrong",
        _NEVER_RIGHT | BROKE,
        last="return x + 100",
    ),
    _attack(
        "patched_grader",
        """
        import sys

        for name, module in list(sys.modules.items()):
            if name.startswith("helpers.") or name == "__main__":
                for key, found in list(vars(module).items()):
                    if getattr(found, "__name__", "") in {"judge", "mark", "difference", "check"}:
                        setattr(module, key, lambda *arguments, **named: None)
        """,
        "the judge's own functions are in another process",
        _NEVER_RIGHT,
    ),
    _attack(
        "stripped_asserts",
        """
        import builtins, sys

        class Never(Exception):
            pass

        builtins.AssertionError = Never
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None) or ""
            if name.startswith("helpers.") and path.endswith(".py"):
                try:
                    exec(compile(open(path).read(), path, "exec", optimize=2), vars(module))
                except Exception:
                    pass
        """,
        "no assert of the worker's gives points",
        _HAVOC,
    ),
    _attack(
        "traced_callers",
        """
        import ctypes, sys

        def meddle(frame, event, argument):
            for name, found in list(frame.f_locals.items()):
                if name in {"points", "score", "of"}:
                    frame.f_locals[name] = 5
                if name in {"passed", "correct", "ok"}:
                    frame.f_locals[name] = True
            ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
            return meddle
        """,
        "the points are in another process",
        _NEVER_RIGHT | BROKE | TIMED_OUT,
        inside="""
        sys.settrace(meddle)
        frame = sys._getframe()
        while frame:
            frame.f_trace = meddle
            meddle(frame, "call", None)
            frame = frame.f_back
        """,
    ),
    _attack(
        "changes_its_arguments",
        "",
        "the question stays what it was",
        last="return x.zero_()",
    ),
    _attack(
        "memorised_public_questions",
        _public_answers(),
        "zeros are what anybody can foresee of the hidden inputs",
        inside="if depth == 1 and not x.any(): return torch.full_like(x, 0.25)",
        last="return torch.tensor(known.get(str([x.tolist(), depth]), 0.0))",
        points=_FIRST_ONLY,
    ),
)

_LIARS = """
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, arguments=(), named=None):
            if function.__name__ in {"allclose", "equal", "isclose", "eq", "__eq__", "all"}:
                return True
            return super().__torch_function__(function, types, arguments, named or {})

        def __eq__(self, other):
            return True

        __hash__ = None
    """
_PRETENDS = """
    import os

    class Pretends:
        shape, dtype, ndim, is_meta = (), np.dtype("float64"), 0, False
        __class__ = torch.Tensor
        __hash__ = None

        def __eq__(self, other):
            return True

        __le__ = __lt__ = __ge__ = __gt__ = __ne__ = __eq__

        def __sub__(self, other):
            return 0.0

        __rsub__ = __abs__ = lambda self, *other: 0.0

        def __array__(self, *arguments, **named):
            return np.zeros(())

        def __float__(self):
            return 0.0

        def __reduce__(self):
            return os.system, ("touch /tmp/@EVIDENCE@_unpickled /dev/shm/@EVIDENCE@_unpickled",)

        def __getattr__(self, name):
            return lambda *arguments, **named: True
    """
# For each odd answer: what comes first, and what is returned.
_ODD: dict[str, tuple[str, str]] = {
    "lying_tensor": (_LIARS, "torch.full_like(x, 7.0).as_subclass(Liar)"),
    "lying_array": (
        """
        class Liar(np.ndarray):
            def __array_ufunc__(self, ufunc, method, *inputs, **named):
                return True

            def __eq__(self, other):
                return True

            __le__ = __lt__ = __eq__
            __hash__ = None
        """,
        "np.full(tuple(x.shape), 7.0).view(Liar)",
    ),
    "lying_number": (
        """
        class Liar(float):
            __eq__ = __le__ = __lt__ = __ge__ = __gt__ = lambda self, other: True
            __sub__ = __rsub__ = __abs__ = lambda self, *other: 0.0
            __hash__ = None
        """,
        "Liar(7.0)",
    ),
    "lying_list": (
        """
        class Liar(list):
            __len__ = lambda self: 10**9
            __eq__ = lambda self, other: True
            __iter__ = lambda self: iter(lambda: 0.25, None)
            __hash__ = None
        """,
        "Liar([7.0])",
    ),
    "lying_dict": (
        """
        class Liar(dict):
            __len__ = lambda self: -1
            keys = items = values = lambda self: iter(lambda: ("points", 5), None)
        """,
        'Liar(points=5, status="correct")',
    ),
    "pretender": (_PRETENDS, "Pretends()"),
    "pretenders_in_a_list": (_PRETENDS, "[[Pretends()] * 3, (Pretends(),)]"),
    "bites_when_converted": (
        """
        import os

        class Bites:
            def __getattribute__(self, name):
                os._exit(0)
        """,
        "Bites()",
    ),
    "sleeps_when_converted": (
        """
        import time

        class Sleeps(np.ndarray):
            def __array_finalize__(self, parent):
                time.sleep(0.01)

            def tobytes(self, *arguments):
                time.sleep(600)
        """,
        "np.zeros(tuple(x.shape)).view(Sleeps)",
    ),
    "lazy_answer": (
        """
        class Lazy:
            def __init__(self, x):
                self.x = x

            def __call__(self, *arguments):
                return self.x * 0

            __array__ = __float__ = __iter__ = __torch_function__ = __call__
        """,
        "Lazy(x)",
    ),
    "generator": ("", "(0.25 for _ in iter(int, 1))"),
    "function": ("", "sigmoid_chain_grad"),
    "code_as_text": (
        "",
        "\"__import__('os').system('touch /tmp/@EVIDENCE@_evaluated')\"",
    ),
    "list_in_itself": ("loop = []\nloop.append(loop)", "loop"),
    "dict_in_itself": ('loop = {}\nloop["loop"] = loop', "loop"),
    "deep_list": ("deep = []\nfor _ in range(10**5):\n    deep = [deep]", "deep"),
    "deep_tuple": ("deep = ()\nfor _ in range(30):\n    deep = (deep, deep)", "deep"),
    "number_of_a_million_digits": ("", "1 << 4_000_000"),
    "not_a_number": ("", 'float("nan")'),
    "text_of_half_a_letter": ("", r"'\ud800\x00'"),
    "odd_keys": ("", "{1: 2, None: 3, (4,): 5}"),
    "key_of_half_a_letter": ("", r"{'\udfff': 0.25}"),
    "words_of_the_wire": (
        "",
        '{"tensor": "float32", "shape": [2**40], "array": "object", "dict": {"other": 1}}',
    ),
    "a_verdict": ("", '{"points": 5, "of": 5, "status": "correct", "attempted": True}'),
    "objects_in_an_array": (_PRETENDS, "np.array([Pretends(), None, 1], dtype=object)"),
    "fields_in_an_array": ("", 'np.zeros(3, dtype=[("points", "f8"), ("of", "i4")])'),
    "dates_in_an_array": ("", 'np.zeros(3, dtype="datetime64[s]")'),
    "text_in_an_array": ("", 'np.array(["correct", "5"])'),
    "wide_numbers": ("", "np.zeros(tuple(x.shape), dtype=np.longdouble)"),
    "endless_view": ("", "np.broadcast_to(np.zeros(1), (2**20, 2**20, 2**20))"),
    "endless_tensor": ("", "torch.zeros(1).expand(2**20, 2**20)"),
    "many_axes": ("", "np.zeros((1,) * 32)"),
    "many_axes_of_a_tensor": ("", "torch.zeros((1,) * 64)"),
    "no_entries": ("", "torch.zeros(0, 2**40)"),
    "true": ("", "torch.ones_like(x, dtype=torch.bool)"),
    "complex": ("", "x.to(torch.complex64).conj() + 0.25j"),
    "sparse": ("", "torch.eye(3).to_sparse()"),
    "without_storage": ("", 'torch.zeros(x.shape, device="meta")'),
    "nested_tensor": ("", "torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])"),
    "quantized": ("", "torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8)"),
    "module": ("", "torch.nn.Sigmoid()"),
    "a_type": ("", "type(x)"),
    "long_type_name": ("", 'type("Correct" * 10**6, (), {})()'),
    "emptied_tensor": (
        "",
        "[t := torch.zeros(2**20), t.untyped_storage().resize_(0)][0]",
    ),
}
_ODD_ANSWERS = tuple(
    _attack(
        f"answer_{name}",
        first,
        "only plain data counts, and these values are wrong",
        _BOMB | BROKE,
        last=f"return {last}",
    )
    for name, (first, last) in _ODD.items()
)

# Headers that describe what is not there, or too much of it; behind each come 64 bytes.
_HEADERS = {
    "not_json": 'b"{never closed"',
    "not_utf_8": r'b"\"\xff\xfe\""',
    "nothing": 'b""',
    "a_number": 'b"5"',
    "a_list": 'b"[1, 2, 3]"',
    "deep_json": 'b"[" * 100_000 + b"]" * 100_000',
    "deep_dicts": """b'{"dict":{"a":' * 50_000 + b"1" + b"}}" * 50_000""",
    "a_long_number": 'b"9" * 500_000',
    "many_values": 'b"[" + b"0," * 400_000 + b"0]"',
    "no_value": '{"question": 0}',
    "a_verdict": '{"dict": {"points": 5, "of": 5, "status": "correct"}}',
    "trouble": '{"dict": {"trouble": "the walls fell down"}}',
    "objects": '{"array": "object", "shape": [8]}',
    "pickle": '{"array": "O", "shape": [1], "pickle": "gASVBQAAAAAAAABLBS4="}',
    "text_in_an_array": '{"array": "U16", "shape": [1]}',
    "huge_shape": '{"array": "float64", "shape": [2**40]}',
    "overflowing_shape": '{"array": "float64", "shape": [2**32, 2**32, 2]}',
    "overflowing_tensor": '{"tensor": "float32", "shape": [2**63, 2**63]}',
    "negative_shape": '{"array": "float64", "shape": [-8]}',
    "negative_pair": '{"tensor": "float32", "shape": [-4, -4]}',
    "fractional_shape": '{"array": "float64", "shape": [8.0]}',
    "true_shape": '{"array": "float64", "shape": [True, 8]}',
    "shape_of_text": '{"array": "float64", "shape": "8"}',
    "many_axes": '{"array": "float64", "shape": [1] * 1000 + [8]}',
    "zero_and_huge": '{"tensor": "float32", "shape": [0, 2**62, 2**62]}',
    "unknown_kind": '{"module": "os", "shape": [8]}',
    "a_path": '{"file": "/etc/passwd"}',
}
_PICKLED = "b\"cposix\\nsystem\\n(S'touch /tmp/@EVIDENCE@_unpickled'\\ntR.\""

_FORGERIES = (
    *(
        _forgery(
            f"frame_{name}",
            f"""
            header = {header}
            if isinstance(header, bytes):
                post(framed(value(header, bytes(64))))
            elif "shape" in header:
                post(reply(asked()["question"], asked()["nonce"], header, bytes(64)))
            else:
                post(framed(value(header)))
            """,
            "what arrives is no answer",
        )
        for name, header in _HEADERS.items()
    ),
    _forgery("frame_of_no_bytes", 'post(framed(b""))', "what arrives is no answer"),
    _forgery(
        "frame_of_four_gigabytes",
        'post(b"\\xff\\xff\\xff\\xff" + bytes(100))',
        "an answer is not that long, and as a signed number not negative",
    ),
    _forgery(
        "frame_of_negative_length",
        'post(struct.pack(">i", -2**31) + bytes(100))',
        "no answer has a negative length",
    ),
    _forgery(
        "frame_with_a_negative_header",
        'post(framed(struct.pack(">i", -1) + b"{}"))',
        "no header has a negative length",
    ),
    _forgery(
        "frame_with_a_long_header",
        'post(framed(struct.pack(">I", 2**31) + b"{}"))',
        "the header is longer than the frame",
    ),
    _forgery("frame_pickled", f"post(framed({_PICKLED}))", "nobody unpickles it"),
    _forgery("frame_of_noise", "post(os.urandom(100_000))", "noise is no answer"),
    _forgery(
        "frames_without_end",
        """
        frame = framed(value({"dict": {"points": 5}}))
        while True:
            post(frame * 100)
        """,
        "the first one ends it",
        BROKE | TIMED_OUT | ENDED,
    ),
    _forgery(
        "forged_when_loaded",
        "",
        "nobody had asked",
        first="""
        post(framed(value({"dict": {"points": 5, "of": 5, "status": "correct"}})))
        """,
    ),
    _forgery(
        "forged_trouble_when_loaded",
        "",
        "says the grader failed, which is for the grader to say",
        first="""
        post(framed(value({"dict": {"trouble": "the walls fell down"}})))
        """,
    ),
    _forgery(
        "queued_in_advance",
        "",
        "answers to what nobody has asked yet",
        first="""
        quarter = struct.pack("<f", 0.25)
        for number in range(20):
            for size in (1, 3, 6, 4):
                header = {"tensor": "float32", "shape": [size]}
                post(reply(number, "0" * 32, header, quarter * size))
        """,
    ),
    _forgery(
        "nonces_guessed",
        """
        for guess in ("", "0" * 32, "f" * 32, None, 0, True, [], {}):
            post(reply(asked()["question"], guess, 0.25))
        """,
        "a nonce cannot be guessed",
    ),
    _forgery(
        "answers_twice",
        """
        quarter = struct.pack("<f", 0.25) * x.numel()
        header = {"tensor": "float32", "shape": list(x.shape)}
        for _ in range(2):
            post(reply(asked()["question"], asked()["nonce"], header, quarter))
        """,
        "one question, one answer",
    ),
    _forgery(
        "answers_early",
        """
        for number in range(asked()["question"], 12):
            post(reply(number, asked()["nonce"], 0.25))
        """,
        "each question has a nonce of its own",
    ),
    _forgery(
        "answers_another_question",
        """
        for number in (-1, 10**6, 2**70, 0.0, "0", None, True, [0]):
            post(reply(number, asked()["nonce"], 0.25))
        """,
        "the number belongs to no question",
    ),
    _forgery(
        "answers_late",
        """
        answers.append(reply(asked()["question"], asked()["nonce"], 0.25))
        if len(answers) > 1:
            post(answers[0])
        """,
        "the answer to an earlier question",
        first="answers = []",
    ),
    _forgery(
        "answers_from_a_child",
        """
        number, nonce = asked()["question"], asked()["nonce"]
        if number == 0 and os.fork() == 0:
            time.sleep(0.3)
            for later in range(12):
                post(reply(later, nonce, 0.25))
            os._exit(0)
        if number == 1:
            time.sleep(2)
        """,
        "a child has no right to answer, and does not know the nonce",
    ),
    _forgery(
        "answers_from_an_orphan",
        """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for _ in range(100):
                    time.sleep(0.1)
                    post(framed(value({"dict": {"points": 5}})))
            os._exit(0)
        os.wait()
        """,
        "what an orphan writes reaches nobody, or ends the worker",
        BROKE | WRONG,
    ),
    _forgery(
        "takes_over_the_line",
        """
        line = socket.socket(fileno=os.dup(lines()[0]))
        question = asked()
        number, nonce = question["question"], question["nonce"]
        while True:
            line.sendall(reply(number, nonce, 0.125))
            data = line.recv(4, socket.MSG_WAITALL)
            if not data:
                os._exit(0)
            data = line.recv(struct.unpack(">I", data)[0], socket.MSG_WAITALL)
            size = struct.unpack_from(">I", data)[0]
            fields = json.loads(data[4 : 4 + size])["dict"]
            number, nonce = fields["question"], fields["nonce"]
        """,
        "speaks the protocol on its own, and answers wrong",
        WRONG | ENDED,
    ),
    _forgery(
        "closes_the_line",
        """
        for number in lines():
            os.close(number)
        """,
        "no answer can come",
        ENDED | BROKE,
    ),
    _forgery(
        "shuts_the_line",
        """
        for number in lines():
            socket.socket(fileno=number).shutdown(socket.SHUT_RDWR)
        """,
        "no answer can come",
        ENDED | BROKE,
    ),
    _forgery(
        "another_end_of_the_line",
        """
        here, there = socket.socketpair()
        for number in lines():
            os.dup2(here.fileno(), number)
        """,
        "speaks with itself",
        ENDED | BROKE | TIMED_OUT,
    ),
    _forgery(
        "wait_without_an_answer", "time.sleep(600)", "keeps the line and says nothing", TIMED_OUT
    ),
    _forgery(
        "wait_in_half_a_frame",
        'post(struct.pack(">I", 1000) + b"ten bytes.")\ntime.sleep(600)',
        "half an answer, and silence",
        TIMED_OUT,
    ),
    _forgery(
        "wait_drop_by_drop",
        'post(struct.pack(">I", 10**6))\nfor _ in range(600):\n    post(b" ")\n    time.sleep(1)',
        "a byte a second is no answer",
        TIMED_OUT,
    ),
    _forgery(
        "passes_open_files",
        """
        kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]
        for number in lines():
            line = socket.socket(fileno=os.dup(number))
            for _ in range(20):
                socket.send_fds(line, [b"points: 5 of 5. "], kept)
        """,
        "nobody takes them",
    ),
    _forgery(
        "does_not_wait",
        """
        for number in lines():
            os.set_blocking(number, False)
        """,
        "answers wrong, in whatever mode",
        _HAVOC,
    ),
)

# Says whether a file tells the answer. The words are put together here, as this very
# source may be in sight.
_TELLS = """
    words = [b"def _sigmoid" + b"_chain_grad", b"BEGIN" + b" SOLUTION"]
    words.append(b"by the neighbour, " + b"and nobody")
    names = ("lesson_01", "01_theory", "test_exercises", "classroom")

    def tells(path):
        if not any(name in os.path.basename(path) for name in names):
            return False
        try:
            with open(path, "rb") as file:
                text = file.read(2**23)
        except OSError:
            return False
        return any(word in text for word in words)
    """

_THEFTS = (
    _escape(
        "steals_a_function",
        """
        import gc

        def stolen():
            for found in gc.get_objects():
                kind = type(found)
                if kind.__name__ == "Exercise" and vars(found).get("name") == "sigmoid_chain_grad":
                    yield found.reference
                if kind is type(stolen) and vars(found) is not None:
                    mine = found.__globals__ is globals()
                    if not mine and re.search("sigmoid_chain|reference", found.__name__):
                        yield found

        escaped = any(_is_right(found) for found in stolen())
        """,
        "the reference is not in this process",
    ),
    _escape(
        "imports_the_reference",
        """
        def stolen():
            from helpers.exercises import lesson_01
            return next(e for e in lesson_01.EXERCISES if e.name == "sigmoid_chain_grad").reference

        def asked_for():
            from helpers import exercises
            return exercises.ALL["sigmoid_chain_grad"].reference

        escaped = _is_right(_tries(stolen)) or _is_right(_tries(asked_for))
        """,
        "the reference is not among the files either",
    ),
    _attack(
        "steals_an_expected_answer",
        """
        import gc

        def arrays():
            for holder in gc.get_objects():
                if issubclass(type(holder), (dict, list, tuple)):
                    for found in gc.get_referents(holder):
                        if type(found) is np.ndarray:
                            yield found
                        if type(found) is torch.Tensor:
                            yield found.detach().numpy()

        def named():
            for holder in gc.get_objects():
                if type(holder) is dict and "expected" in holder:
                    yield np.array(holder["expected"])
                elif "expected" in (_tries(getattr, type(holder), "_fields") or ()):
                    yield np.array(holder.expected)

        def expected(right):
            for found in named() if right.size < 3 else arrays():
                if found.shape == right.shape and found is not right:
                    if _tries(np.allclose, found, right, 1e-3):
                        return found
        """,
        "what is expected is not in this process; zeros anybody can foresee",
        WRONG | TIMED_OUT,
        inside="""
        right = _honestly(x, depth).double().numpy()
        if not x.any():
            return right
        found = expected(right)
        if found is not None:
            return found
        """,
        tools=_KNOWS,
        points=_FIRST_ONLY,
    ),
    _escape(
        "reads_known_files",
        """
        paths = [
            "@COURSE@/helpers/exercises/lesson_01.py",
            "@COURSE@/notebooks/source/01_theory.py",
            "@COURSE@/tests/test_exercises.py",
            "@COURSE@/tests/classroom.py",
            "@HERE@/../a_neighbour/01_theory.ipynb",
            "@HERE@/../z_neighbour/01_theory.ipynb",
                ]
        escaped = any(tells(path) for path in paths)
        """,
        "knows where the course and the class lie, and cannot see them",
        tools=_TELLS,
    ),
    _escape(
        "walks_the_file_system",
        """
        def walk():
            end = time.process_time() + 2
            for base, folders, files in os.walk("/"):
                if base == "/":
                    folders[:] = sorted(set(folders) - {"proc", "sys", "dev", "usr"}) + ["usr"]
                if any(tells(os.path.join(base, name)) for name in files):
                    return True
                if time.process_time() > end:
                    return False
            return False

        escaped = walk()
        """,
        "nothing in sight tells the answer",
        tools=_TELLS,
    ),
    _escape(
        "looks_at_the_class",
        """
        def sees():
            for folder in ("@HERE@/..", "@HERE@/../..", "@HERE@/../../.."):
                for name in os.listdir(folder):
                    if name != os.path.basename("@HERE@") and re.search(
                        "neighbour|student_|hostile_|honest_|secret|marks|records", name
                    ):
                        return True
            return False

        escaped = bool(_tries(sees))
        """,
        "sees no classmate, no marks and no secret",
    ),
    _escape(
        "reads_the_environment",
        """
        word = b"@EVIDENCE@"
        places = [f"/proc/{pid}/{what}" for pid in _tries(os.listdir, "/proc") or ()
                  if pid.isdigit() for what in ("environ", "cmdline")]

        def holds(place):
            with open(place, "rb") as file:
                return word in file.read()

        said = [f"{name}={value}".encode() for name, value in os.environ.items()]
        escaped = any(word in text for text in said) or any(_tries(holds, p) for p in places)
        """,
        "finds nothing of the grader's environment and arguments",
    ),
    _escape(
        "reads_other_memory",
        """
        def opens(pid):
            with open(f"/proc/{pid}/mem", "r+b", buffering=0):
                return pid != os.getpid()

        me = os.getpid()
        others = [int(pid) for pid in _tries(os.listdir, "/proc") or () if pid.isdigit()]
        others = {*others, os.getppid(), 1} - {me}
        escaped = any(_tries(opens, pid) for pid in others)
        """,
        "no other process's memory opens",
    ),
    _escape(
        "reads_open_files",
        """
        def found(number):
            mode = os.fstat(number).st_mode
            if stat.S_ISDIR(mode):
                return bool(os.listdir(number))
            if not stat.S_ISREG(mode):
                return False
            path = os.readlink(f"/proc/self/fd/{number}")
            return not path.startswith(("/usr", "/lib", sys.prefix))

        escaped = any([_tries(found, number) for number in range(3, 1024)])
        """,
        "no file and no folder was left open for it",
    ),
    _escape(
        "goes_through_other_processes",
        """
        paths = ["@COURSE@/helpers/exercises/lesson_01.py"]
        paths.append("@HERE@/../a_neighbour/01_theory.ipynb")

        def through(pid):
            for way in ("root", "cwd"):
                for path in paths:
                    start = f"/proc/{pid}/{way}"
                    if tells(f"{start}{path}") or tells(f"{start}/../../..{path}"):
                        return True
            return False

        escaped = any(through(pid) for pid in [1, os.getppid(), "self", "thread-self"])
        """,
        "another process's root leads nowhere",
        tools=_TELLS,
    ),
    _escape(
        "attaches_to_its_parent",
        """
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        parent = os.getppid()
        if parent > 0 and libc.ptrace(16, parent, None, None) == 0:  # attach
            os.waitpid(parent, 0)
            libc.ptrace(17, parent, None, None)  # detach
            escaped = True
        """,
        "no other process can be traced",
        _NEVER_RIGHT,
    ),
)

_WAYS_OUT = (
    _escape(
        "calls_out",
        """
        def calls(family, kind, address):
            with socket.socket(family, kind) as line:
                line.settimeout(1)
                line.connect(address)
                line.send(b"hello")
                return True

        tcp = _tries(calls, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", @PORT@))
        _tries(calls, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", @PORT@))
        escaped = bool(tcp)
        """,
        "there is no network",
        _NEVER_RIGHT,
    ),
    _escape(
        "calls_a_unix_socket",
        """
        def calls(address):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(1)
                line.connect(address)
                return True

        names = ["\\0@LINE@"]
        for folder in ("/tmp", "/run", "@HERE@", "@HERE@/..", "@HERE@/../.."):
            names.append(f"{folder}/@LINE@.sock")
        escaped = any([_tries(calls, name) for name in names])
        """,
        "no socket outside is in reach, with a path or without",
        _NEVER_RIGHT,
    ),
    _attack(
        "kills_its_parent",
        "import os, signal",
        "the grader goes on, and so do the others",
        inside="""
        try:
            os.kill(os.getppid(), signal.SIGKILL)
        except OSError:
            pass
        """,
    ),
    _attack(
        "stops_its_parent",
        "import os, signal",
        "the grader goes on, and so do the others",
        inside="""
        try:
            os.kill(os.getppid(), signal.SIGSTOP)
        except OSError:
            pass
        """,
    ),
    _attack(
        "kills_its_group",
        "import os, signal",
        "ends itself at most",
        WRONG | ENDED,
        inside="""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for group in (0, os.getpgid(os.getppid())):
            try:
                os.killpg(group, signal.SIGTERM)
            except OSError:
                pass
        """,
    ),
    _escape(
        "kills_everybody",
        """
        def elsewhere():
            return os.readlink("/proc/self/ns/pid") != "@PROCESSES@" != ""

        if _tries(elsewhere):
            _tries(os.kill, 1, signal.SIGKILL)
            _tries(os.kill, -1, signal.SIGKILL)
            for pid in range(2, 300):
                if pid != os.getpid():
                    _tries(os.kill, pid, signal.SIGKILL)
        else:  # among the machine's own processes: ask only whether one could
            def could(pid):
                os.kill(pid, 0)
                return True

            escaped = any([_tries(could, pid) for pid in (1, os.getppid())])
        """,
        "reaches no process but its own",
        WRONG | ENDED,
    ),
    _escape(
        "limits_its_parent",
        """
        import resource

        def limits(what):
            resource.prlimit(os.getppid(), what, (1, 1))
            return True

        escaped = any([_tries(limits, w) for w in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE)])
        """,
        "the grader's limits are not the student's to set",
        _NEVER_RIGHT,
    ),
    _escape(
        "raises_its_limits",
        """
        import resource

        def raises(what):
            _, hard = resource.getrlimit(what)
            if hard == resource.RLIM_INFINITY:
                return True
            resource.setrlimit(what, (hard + 1, hard + 1))
            return True

        escaped = any([_tries(raises, w) for w in (resource.RLIMIT_CPU, resource.RLIMIT_NPROC)])
        """,
        "there are limits, and they stay where they are",
        _NEVER_RIGHT,
    ),
    _escape(
        "asks_for_more",
        """
        def first():
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            return True

        def last():
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write("-1000")
            return True

        def ahead():
            return os.nice(-5) < 0

        escaped = any([_tries(ask) for ask in (first, last, ahead)])
        """,
        "nobody goes before the others",
        _NEVER_RIGHT,
    ),
    _escape(
        "mounts_a_file_system",
        """
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        os.makedirs("room", exist_ok=True)

        def mounts():
            return libc.mount(b"none", b"room", b"tmpfs", 0, b"size=4g") == 0

        def apart():  # as root of a space of its own
            if os.fork() == 0:
                libc.unshare(0x10000000 | 0x00020000)
                os._exit(1 if mounts() else 0)
            return os.wait()[1] != 0

        escaped = bool(mounts()) or bool(_tries(apart))
        """,
        "no room without limits can be had",
        _NEVER_RIGHT,
    ),
    _escape(
        "opens_devices",
        """
        def opens(path, mode):
            os.close(os.open(path, mode))
            return True

        def disks():
            with open("/proc/partitions") as file:
                return [line.split()[3] for line in file.read().splitlines()[2:]]

        names = ["mem", "kmsg", "kvm", "fuse", "loop-control", *(_tries(disks) or ())]
        escaped = any([_tries(opens, f"/dev/{name}", os.O_RDONLY) for name in names])

        def makes():
            os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(7, 0))
            return True

        escaped = escaped or bool(_tries(makes))
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
            escaped = escaped or bool(_tries(opens, path, os.O_WRONLY))
        """,
        "no disk, no kernel switch",
        _NEVER_RIGHT,
    ),
    _escape(
        "takes_the_terminal",
        """
        def takes():
            os.close(os.open("/dev/tty", os.O_RDWR))
            return True

        escaped = bool(_tries(takes))
        """,
        "the instructor's terminal is out of reach",
        _NEVER_RIGHT,
    ),
    _escape(
        "asks_the_kernel_for_keys",
        """
        escaped = leave_key(b"@EVIDENCE@")
        """,
        "a key would outlive the worker",
        _NEVER_RIGHT,
        tools=_NUMBERS_OF_CALLS,
    ),
    _escape(
        "asks_for_rings",
        """
        ring = call("io_uring_setup", 8, ctypes.create_string_buffer(120))
        escaped = ring >= 0
        """,
        "io_uring goes around what is filtered",
        _NEVER_RIGHT,
        tools=_NUMBERS_OF_CALLS,
    ),
    _escape(
        "handles_page_faults",
        """
        handle = call("userfaultfd", 0)
        escaped = handle >= 0
        """,
        "holds up the kernel, and no exercise needs it",
        _NEVER_RIGHT,
        tools=_NUMBERS_OF_CALLS,
    ),
    _escape(
        "opens_the_marks",
        """
        def opens(path):
            os.close(os.open(path, os.O_RDWR))
            return True

        names = ("marks.csv", "marks.jsonl", "records.jsonl", "gradebook.db", "secret", "feedback")
        folders = ("@HERE@", "@HERE@/..", "@HERE@/../..", "@COURSE@", os.path.expanduser("~"), ".")
        paths = [f"{folder}/{name}" for folder in folders for name in names]
        paths += ["@HERE@/01_theory.ipynb", "@HERE@/../a_neighbour/01_theory.ipynb"]
        escaped = any([_tries(opens, path) for path in paths])
        """,
        "marks and notebooks cannot be opened, let alone changed",
    ),
    _escape(
        "survives",
        """
        import ctypes

        def stay():
            end = time.monotonic() + 30
            while time.monotonic() < end:
                for folder in (".", "/tmp", "/dev/shm", "@HERE@"):
                    _tries(open, f"{folder}/@EVIDENCE@_still_here", "w")
                time.sleep(0.2)

        def leave():
            os.setsid()
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                _tries(signal.signal, number, signal.SIG_IGN)
            ctypes.CDLL(None).prctl(15, b"@EVIDENCE@")  # its name
            if os.fork() == 0:
                stay()

        if os.fork() == 0:
            _tries(leave)
            os._exit(0)
        """,
        "nothing of it is left when it has been graded",
    ),
    _escape(
        "survives_under_another_program",
        """
        def leave():
            os.setsid()
            if os.fork() == 0:
                sleep = "import time; time.sleep(30)"
                os.execv(sys.executable, [sys.executable, "-c", sleep, "@EVIDENCE@"])

        if os.fork() == 0:
            _tries(leave)
            os._exit(0)
        os.wait()
        """,
        "nothing of it is left when it has been graded",
    ),
)

_PLACES = """
    places = [".", "..", "/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run", "/mnt", "/home"]
    places += ["/root", os.path.expanduser("~"), os.path.dirname(os.__file__), sys.prefix]
    places += ["@HERE@", "@COURSE@"]
    places += [os.path.join("@HERE@", ".."), "@COURSE@/helpers", os.path.dirname(sys.executable)]
    places += [os.path.dirname(os.path.dirname(torch.__file__)), f"/run/user/{os.getuid()}"]
    places += [path for path in sys.path if path] + [os.environ.get("TMPDIR", "/tmp")]
    places += [f"/proc/{pid}/{way}" for pid in (1, os.getppid())
               for way in ("cwd", "root/tmp", "root/dev/shm")]
    """
_NOTES = (
    # Sorted, the writer comes before the reader.
    _attack(
        "note_1_writer",
        """
        def leave(place):
            with open(os.path.join(place, "@EVIDENCE@_note"), "w") as file:
                file.write("s * (1 - s)")

        for place in places:
            _tries(leave, place)
        shared = libc.shmget(@KEY@, 4096, 0o1666)  # create, for everybody
        libc.semget(@KEY@, 1, 0o1666)
        libc.msgget(@KEY@, 0o1666)
        open_it = os.O_CREAT | os.O_RDWR
        for library in ("libc.so.6", "librt.so.1", "libpthread.so.0"):
            _tries(lambda: ctypes.CDLL(library).sem_open(b"/@EVIDENCE@_lamp", open_it, 0o666, 1))
            _tries(lambda: ctypes.CDLL(library).mq_open(b"/@EVIDENCE@_queue", open_it, 0o666, 0))
        leave_key(b"@EVIDENCE@_note")

        def wait():
            os.setsid()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.bind("\\0@EVIDENCE@.note")
                line.listen()
                time.sleep(30)

        if os.fork() == 0:  # a socket without a file, while its keeper lives
            _tries(wait)
            os._exit(0)
        """,
        "leaves notes wherever it may, and answers wrong",
        _NEVER_RIGHT,
        tools=_joined(_KNOWS, _NUMBERS_OF_CALLS, _PLACES),
    ),
    _escape(
        "note_2_reader",
        """
        def waits(place):
            return any("@EVIDENCE@" in name for name in os.listdir(place))

        def listens():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.connect("\\0@EVIDENCE@.note")
                return True

        escaped = any([_tries(waits, place) for place in places])
        escaped = escaped or libc.shmget(@KEY@, 4096, 0) >= 0
        escaped = escaped or libc.semget(@KEY@, 1, 0) >= 0 or libc.msgget(@KEY@, 0) >= 0
        for ring in rings:
            call("keyctl", 8, ring, -2)
            found = call("keyctl", 10, ring, b"user", b"@EVIDENCE@_note", 0)
            escaped = escaped or found > 0
        escaped = escaped or bool(_tries(listens))
        """,
        "finds no note of the student before",
        _NEVER_RIGHT,
        tools=_joined(_NUMBERS_OF_CALLS, _PLACES),
    ),
    _attack(
        "writes_into_packages",
        """
        import os, site, sys

        for folder in {*site.getsitepackages(), site.getusersitepackages(), *sys.path}:
            for name in ("@EVIDENCE@.py", "@EVIDENCE@.pth"):
                try:
                    os.makedirs(folder, exist_ok=True)
                    with open(os.path.join(folder, name), "w") as file:
                        file.write("# harmless\\n")
                except OSError:
                    pass
        """,
        "changes nothing that is run later, and answers wrong",
    ),
    _attack(
        "runs_commands",
        """
        !touch /tmp/@EVIDENCE@_command @HERE@/@EVIDENCE@_command /var/tmp/@EVIDENCE@_command
        import subprocess

        for command in ("touch /tmp/@EVIDENCE@_shell", "touch @COURSE@/@EVIDENCE@_shell"):
            subprocess.run(command, shell=True, check=False)
        """,
        "commands stay behind the walls too, or do not run",
        _NEVER_RIGHT,
    ),
)


# ---- Hostile notebooks -----------------------------------------------------------------


def _with_a_cell(**fields: object) -> Shape:
    """Return a shape that changes the fields of the answer's cell."""

    def shape(book: Book) -> Book:
        book["cells"][_place(book, EXERCISE)] |= fields
        return book

    return shape


def _with_cells(cells: object) -> Shape:
    return lambda book: book | {"cells": cells}


def _link_to(target: str) -> Callable[[Path], None]:
    return lambda folder: (folder / _FILE).symlink_to(target)


def _sparse(folder: Path) -> None:
    with (folder / _FILE).open("wb") as file:
        file.truncate(4 * 2**30)  # nothing is stored


def _in_place_of_the_setup(source: str) -> Shape:
    def shape(book: Book) -> Book:
        setup = next(c for c in book["cells"] if "setup" in c["metadata"].get("tags", []))
        setup["source"] = _block(source)
        return book

    return shape


_WRONG_ANSWER = f"def {EXERCISE}(x, depth):\n    {_ZEROS}"
_ANY_REFUSAL = UNREADABLE | NOT_HANDED_IN
# Sources whose syntax tree is too deep for Python itself.
_DEEP = {
    "minus": "y = " + "-" * 200_000 + "1",
    "sums": "y = " + "+".join(["1"] * 100_000),
    "attributes": "y = torch" + ".nn" * 100_000,
    "calls": "y = print" + "()" * 100_000,
    "brackets": "y = " + "[" * 5_000 + "]" * 5_000,
    "branches": "if 0:\n    pass\n" + "elif 0:\n    pass\n" * 20_000,
}

_NOTEBOOKS = (
    *(
        _hostile(
            f"deep_source_{name}",
            f"{source}\n\n{_WRONG_ANSWER}",
            "Python cannot read it, in any process",
            ERROR | WRONG | MISSING | ENDED,
        )
        for name, source in _DEEP.items()
    ),
    _hostile(
        "long_line",
        "def sigmoid_chain_grad(" * 200_000,
        "five megabytes that are no function",
        ERROR | MISSING | UNREADABLE,
    ),
    _hostile(
        "null_bytes_in_the_source",
        _WRONG_ANSWER + "\n# \x00",
        "Python refuses such a source",
        ERROR | WRONG | MISSING | UNREADABLE,
    ),
    _hostile(
        "half_a_letter_in_the_source",
        _WRONG_ANSWER + "\n# \ud800",
        "cannot be written as UTF-8",
        ERROR | WRONG | MISSING | UNREADABLE,
    ),
    _hostile(
        "setup_of_its_own",
        _WRONG_ANSWER,
        "the instructor's setup is run, and wrong is wrong",
        WRONG,
        shape=_in_place_of_the_setup(_PATCHES),
    ),
    _hostile(
        "check_of_its_own",
        _WRONG_ANSWER,
        "what its own check says earns nothing",
        WRONG,
        shape=_with(
            'print("Exercise 1.2 · sigmoid_chain_grad: correct (5 of 5 points).")', after=True
        ),
    ),
    _hostile(
        "points_in_the_metadata",
        _WRONG_ANSWER,
        "marks are not the student's to write",
        WRONG,
        shape=_with_a_cell(
            metadata={"tags": ["exercise"], "nbgrader": {"grade": True, "points": 100}, "score": 5}
        ),
    ),
    _hostile(
        "source_is_a_number",
        _SLOPES,
        "a cell without text",
        MISSING | UNREADABLE,
        shape=_with_a_cell(source=5),
    ),
    _hostile(
        "source_is_a_deep_list",
        _SLOPES,
        "a cell without text",
        MISSING | UNREADABLE | ERROR,
        shape=_with_a_cell(source=[[["def"]], {"a": 1}, None]),
    ),
    _hostile(
        "cells_are_text",
        _SLOPES,
        "a notebook without cells",
        MISSING | UNREADABLE,
        shape=_with_cells("cells"),
    ),
    _hostile(
        "cells_are_odd",
        _SLOPES,
        "cells that are none",
        MISSING | UNREADABLE,
        shape=_with_cells([None, 5, "cell", [], {}, {"cell_type": "code"}]),
    ),
    _hostile(
        "metadata_is_odd",
        _WRONG_ANSWER,
        "odd where nobody needs to look, and wrong",
        WRONG | UNREADABLE,
        shape=_with_a_cell(metadata=None, outputs="none", execution_count="first"),
    ),
    _hostile(
        "a_hundred_thousand_cells",
        _WRONG_ANSWER,
        "wrong, however many cells there are",
        WRONG | UNREADABLE | TIMED_OUT,
        shape=lambda book: book | {"cells": [_cell("pass")] * 100_000 + book["cells"]},
    ),
    _hostile("deep_json", _hands_over(b"[" * 10**6), "no notebook", UNREADABLE),
    _hostile(
        "deep_metadata",
        _hands_over(b'{"cells": [], "metadata": ' + b'{"a":' * 10**5 + b"1" + b"}" * 10**5 + b"}"),
        "no notebook",
        UNREADABLE | MISSING,
    ),
    _hostile(
        "a_long_number",
        _hands_over(b'{"cells": [], "nbformat": ' + b"9" * 10**6 + b"}"),
        "no notebook",
        UNREADABLE | MISSING,
    ),
    _hostile("four_empty_gigabytes", _sparse, "no notebook", UNREADABLE),
    _hostile(
        "link_to_a_neighbour",
        _link_to(f"../a_neighbour/{_FILE}"),
        "a classmate's file is not the student's own",
        _ANY_REFUSAL,
    ),
    _hostile(
        "link_to_the_solution",
        _link_to(str(ROOT / "notebooks" / "source" / "01_theory.py")),
        "the instructor's file is not the student's own",
        _ANY_REFUSAL,
    ),
    _hostile("link_to_no_end", _link_to("/dev/zero"), "has no end", _ANY_REFUSAL),
    _hostile("link_to_itself", _link_to(_FILE), "leads nowhere", _ANY_REFUSAL),
    _hostile(
        "pipe", lambda folder: os.mkfifo(folder / _FILE), "nobody writes into it", _ANY_REFUSAL
    ),
    _hostile("folder", lambda folder: (folder / _FILE).mkdir(), "no file", _ANY_REFUSAL),
    _hostile("=1+2, <b onclick=alert(1)>", _WRONG_ANSWER, "the name is meant for a spreadsheet"),
)

HOSTILE: tuple[Case, ...] = (
    *_LOOPS_AND_ENDS,
    *_BOMBS,
    *_COMPARISONS,
    *_ODD_ANSWERS,
    *_FORGERIES,
    *_THEFTS,
    *_WAYS_OUT,
    *_NOTES,
    *_NOTEBOOKS,
)

# What a class may hold on an ordinary day: mostly mistakes and clumsy tricks.
_ASSORTED = {
    f"hostile_{name}"
    for name in (
        "cpu_loop_in_the_call",
        "wait_sleep",
        "exit_at_once_in_the_call",
        "null_pointer",
        "memory_numpy",
        "patched_comparisons",
        "answer_lying_tensor",
        "queued_in_advance",
        "imports_the_reference",
        "walks_the_file_system",
        "calls_out",
        "survives",
        "note_1_writer",
        "deep_json",
    )
}
