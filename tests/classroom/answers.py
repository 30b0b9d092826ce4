"""Answers to all exercises of lesson 01, right and not quite."""

from classroom.cases import EXERCISE, FIRST_ONLY, Points

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
            FIRST_ONLY,
        ),
        "every slope at x": (
            """
            def sigmoid_chain_grad(x, depth):
                s = torch.sigmoid(x)
                return (s * (1 - s)) ** depth
            """,
            FIRST_ONLY,
        ),
        "depth forgotten": (
            """
            def sigmoid_chain_grad(x, depth):
                s = torch.sigmoid(x)
                return s * (1 - s)
            """,
            FIRST_ONLY,
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


STUB = '''
    def sigmoid_chain_grad(x: torch.Tensor, depth: int) -> torch.Tensor:
        """Derivative of `depth` nested sigmoids at x, elementwise."""
        raise NotImplementedError  # your turn
    '''
SLOPES = RIGHT[EXERCISE]["by slopes"]
QUARTER = SLIPS[EXERCISE]["a quarter everywhere"][0]
