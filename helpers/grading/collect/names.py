"""Which global names does a cell define, and which does it need? Read as Python, and never run."""

import ast
import re
import symtable
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

LONGEST_CELL = 20_000  # characters of a cell that are read as Python
MOST_CODE = 200_000  # characters that are read as Python, of one notebook
_MOST_MAGICS = 50  # lines of one cell
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OWN_SCOPE = (*_DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)
_PYTHON_MAGICS = frozenset({"time", "timeit", "capture", "prun", "memit", "pyinstrument"})
_MAGIC = re.compile(
    r"[ \t]*%{1,2}[A-Za-z]|[ \t]*!|[ \t]*\?{1,2}[\w.*]"
    r"|[\w., \t]+=[ \t]*(![^=]|%[A-Za-z])"
    r"|[ \t]*[\w.*]+\?{1,2}[ \t]*$"
)


@dataclass
class Names:
    """The global names that a cell defines and needs.

    Attributes:
        bound: For each name defined, what it is: an import, or "" for anything else.
        touched: Names of which an item or an attribute is set.
        functions: Names defined by ``def`` or ``class``.
        now: Names needed while the cell runs. Rather too many than too few.
        later: Names needed once its functions are called.
        star: Whether it imports names that it does not name.
    """

    bound: dict[str, set[str]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    functions: list[str] = field(default_factory=list)
    now: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    star: bool = False


def _names(text: str) -> Names:
    """Return the names of a cell; whatever Python raises if it is not Python."""
    names = Names()
    sure: set[str] = set()  # defined by now, whatever happens
    lines = text.split("\n")
    for group in _statements(ast.parse(text), lines):
        reads: dict[str, bool] = {}  # is the first thing done with a name to read it?
        imports: dict[str, set[str]] = {}
        for node in (part for statement in group for part in _run_at_once(statement)):
            match node:
                case ast.Import() | ast.ImportFrom():
                    for name, origin in _imported(node):
                        imports.setdefault(name, set()).add(origin)
                case ast.Attribute(value=ast.Name(name), ctx=ast.Store()):
                    names.touched.add(name)
                case ast.Subscript(value=ast.Name(name), ctx=ast.Store()):
                    names.touched.add(name)
                case ast.AugAssign(target=ast.Name(name)):
                    reads.setdefault(name, True)
                case ast.Name(name):
                    reads.setdefault(name, isinstance(node.ctx, ast.Load))
        names.star |= "*" in imports
        names.functions += [one.name for one in group if isinstance(one, _DEFINITIONS)]
        piece = "\n".join(lines[_first_line(group[0]) - 1 : group[-1].end_lineno])
        bound: set[str] = set()
        for symbol, called in _globals(symtable.symtable(piece, "cell", "exec")):
            name = symbol.get_name()
            if called and (symbol.is_referenced() or symbol.is_assigned()):
                names.later.add(name)
            elif name not in sure and reads.get(name, symbol.is_referenced()):
                names.now.add(name)
            if symbol.is_assigned():
                names.bound.setdefault(name, set()).add("")
            if symbol.is_imported():
                names.bound.setdefault(name, set()).update(imports.get(name, {""}))
            if not called and (symbol.is_assigned() or symbol.is_imported()):
                bound.add(name)
        if not any(isinstance(one, _BRANCHES) for one in group):
            sure |= bound
    return names


@lru_cache(maxsize=512)
def given_names(source: str) -> Names:
    """Return the names of a lesson's own cell, the same for every student."""
    return _names(source)


def _statements(tree: ast.Module, lines: list[str]) -> Iterator[list[ast.stmt]]:
    """Yield the statements of a cell, those that share a line together."""
    group: list[ast.stmt] = []
    for statement in tree.body:
        end = (group[-1].end_lineno or 0) if group else 0
        if group and _first_line(statement) > end and not lines[end - 1].endswith("\\"):
            yield group
            group = []
        group.append(statement)
    if group:
        yield group


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])


def _run_at_once(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a statement does by itself, about in the order in which it does it."""
    yield node
    if isinstance(node, _OWN_SCOPE):
        return
    for name in sorted(node._fields, key=lambda name: name not in ("value", "iter")):
        part = getattr(node, name)
        for child in part if isinstance(part, list) else [part]:
            if isinstance(child, ast.AST):
                yield from _run_at_once(child)


def _globals(
    table: symtable.SymbolTable, called: bool = False, top: bool = True
) -> Iterator[tuple[symtable.Symbol, bool]]:
    """Yield each global name of each scope, and whether the scope waits for a call."""
    if table.get_type() == "function" and table.get_name() not in _COMPREHENSIONS:
        called = True
    for symbol in table.get_symbols():
        if top or symbol.is_global():
            yield symbol, called
    for child in table.get_children():
        yield from _globals(child, called, top=False)


def _imported(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str]]:
    """Return the names that an import binds, each with what it is."""
    if isinstance(node, ast.Import):
        return [(one.asname or one.name.split(".")[0], one.name) for one in node.names]
    module = "." * node.level + (node.module or "")
    return [(one.asname or one.name, f"{module}:{one.name}") for one in node.names]


class Parser:
    """Reads cells as Python, of one notebook so much and no more."""

    def __init__(self) -> None:
        self.left = MOST_CODE

    def names(self, text: str) -> tuple[Names | None, int]:
        """Return the names of a cell, or None and the line that is not Python."""
        if len(text) > LONGEST_CELL:
            return None, 0
        self.left -= len(text)
        if self.left < 0:
            return None, 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "\d" in a string is the student's affair
                return _names(text), 0
        except SyntaxError as error:
            return None, error.lineno or 0
        except (ValueError, RecursionError, MemoryError):
            return None, 0

    def without_magics(self, text: str) -> tuple[str, Names | None]:
        """Take out what only a notebook understands, where Python stumbles over it.

        Returns:
            The cell, empty if it is in another language, and its names.
        """
        first, _, rest = text.lstrip().partition("\n")
        if first.startswith("%%"):
            if first[2:].split(" ")[0].rstrip() not in _PYTHON_MAGICS:
                return "", None
            text = f"\n{rest}"  # the lines keep their numbers
        lines = text.split("\n")
        names, line = self.names(text)
        for _ in range(_MOST_MAGICS):
            if not 0 < line <= len(lines) or not _MAGIC.match(lines[line - 1]):
                break
            while lines[line - 1].endswith("\\") and line < len(lines):
                lines[line - 1] = ""
                line += 1
            line_text = lines[line - 1]
            indent = line_text[: len(line_text) - len(line_text.lstrip(" \t"))]
            lines[line - 1] = f"{indent}pass" if indent else ""
            names, line = self.names("\n".join(lines))
        return "\n".join(lines), names

    def without_indent(self, text: str) -> tuple[str, Names | None]:
        """Move a cell that defines something to the margin, as a notebook does when it runs."""
        names, dedented = None, textwrap.dedent(text)
        if dedented != text:
            names, _ = self.names(dedented)
        # Anything else is more likely the second half of a function.
        return (dedented, names) if names and names.functions else (text, None)
