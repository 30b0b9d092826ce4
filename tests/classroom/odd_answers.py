"""Answers that are odd in themselves: lying tensors, pretenders, giants."""

from classroom.cases import BROKE
from classroom.tricks import BOMB, attack

LIARS = """
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
PRETENDS = """
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
    "lying_tensor": (LIARS, "torch.full_like(x, 7.0).as_subclass(Liar)"),
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
    "pretender": (PRETENDS, "Pretends()"),
    "pretenders_in_a_list": (PRETENDS, "[[Pretends()] * 3, (Pretends(),)]"),
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
    "objects_in_an_array": (PRETENDS, "np.array([Pretends(), None, 1], dtype=object)"),
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
ODD_ANSWERS = tuple(
    attack(
        f"answer_{name}",
        first,
        "only plain data counts, and these values are wrong",
        BOMB | BROKE,
        last=f"return {last}",
    )
    for name, (first, last) in _ODD.items()
)
