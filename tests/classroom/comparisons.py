"""Code that patches what compares answers."""

from classroom.answers import SLOPES
from classroom.cases import BROKE, CORRECT, FIRST_ONLY, TIMED_OUT
from classroom.tricks import HAVOC, NEVER_RIGHT, attack, public_answers
from classroom.writing import block

PATCHES = """
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

COMPARISONS = (
    attack("patched_comparisons", PATCHES, "the judge compares in its own process"),
    attack(
        "patched_comparisons_and_right",
        PATCHES,
        "attacks and answers right all the same: the right answers count",
        CORRECT,
        last=block(SLOPES).split("\n", 1)[1],
        points=5,
    ),
    attack(
        "patched_tensors",
        """
        def yes(self, *arguments, **named):
            return True

        for name in ("__eq__", "__ne__", "__le__", "__lt__", "__sub__", "__rsub__", "all", "any"):
            setattr(torch.Tensor, name, yes)
        """,
        "the judge's tensors are its own",
        NEVER_RIGHT,
    ),
    attack(
        "patched_builtins",
        """
        import builtins

        for name in ("abs", "all", "any", "isinstance", "max", "min", "len", "round", "sum"):
            setattr(builtins, name, lambda *arguments, **named: True)
        """,
        "whatever is left of the worker answers wrong",
        HAVOC,
    ),
    attack(
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
        HAVOC,
    ),
    attack(
        "patched_conversions",
        """
        torch.Tensor.numpy = lambda self, **named: np.full(self.shape, 0.25)
        torch.Tensor.detach = torch.Tensor.cpu = lambda self: self
        torch.Tensor.tolist = lambda self: [0.25] * self.numel()
        np.asarray = lambda value, *a, **k: value
        """,
        "x is full of zeros at first, and then a quarter is wrong",
        NEVER_RIGHT | BROKE,
        last="return x + 100",
    ),
    attack(
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
        NEVER_RIGHT,
    ),
    attack(
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
        HAVOC,
    ),
    attack(
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
        NEVER_RIGHT | BROKE | TIMED_OUT,
        inside="""
        sys.settrace(meddle)
        frame = sys._getframe()
        while frame:
            frame.f_trace = meddle
            meddle(frame, "call", None)
            frame = frame.f_back
        """,
    ),
    attack(
        "changes_its_arguments",
        "",
        "the question stays what it was",
        last="return x.zero_()",
    ),
    attack(
        "memorised_public_questions",
        public_answers(),
        "zeros are what anybody can foresee of the hidden inputs",
        inside="if depth == 1 and not x.any(): return torch.full_like(x, 0.25)",
        last="return torch.tensor(known.get(str([x.tolist(), depth]), 0.0))",
        points=FIRST_ONLY,
    ),
)
