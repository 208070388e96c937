"""Edits that change nothing a program does: what they move on a clock is the floor of every verdict."""

import ast
import random
from collections.abc import Callable

FEWEST_FUNCTIONS, MOST_FUNCTIONS = 1, 80
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def identical(source: str, _seed: int) -> str:
    """The same text: what this moves is the noise of the measurement."""
    return source


def unused(source: str, seed: int, count: int | None = None) -> str:
    """Functions that nobody calls, some before and some after the others."""
    draw = random.Random(seed)
    module = ast.parse(source)
    count = draw.randint(FEWEST_FUNCTIONS, MOST_FUNCTIONS) if count is None else count
    places = [at for at, node in enumerate(module.body) if isinstance(node, Definition)]
    for number in range(count):
        added = ast.parse(_function(draw, number)).body
        at = draw.choice([places[0], len(module.body)])
        module.body[at:at] = added
    return ast.unparse(module) + "\n"


def reordered(source: str, seed: int) -> str:
    """The functions of the module in another order; classes and constants stay where they are."""
    module = ast.parse(source)
    places = [at for at, node in enumerate(module.body) if isinstance(node, Function)]
    order = places[:]
    random.Random(seed).shuffle(order)
    moved = [module.body[at] for at in order]
    for at, node in zip(places, moved, strict=True):
        module.body[at] = node
    return ast.unparse(module) + "\n"


def renamed(source: str, seed: int) -> str:
    """Local variables under other names."""
    module = ast.parse(source)
    suffix = random.Random(seed).choice(("_", "_local", "_of_this_call", "2"))
    for function in [node for node in ast.walk(module) if isinstance(node, Function)]:
        arguments = {argument.arg for argument in _arguments(function)}
        inner = [node for node in ast.walk(function) if node is not function and _has_scope(node)]
        if not inner:  # a name that an inner function or comprehension shares is left alone
            _Rename(_stored(function) - arguments, suffix).visit(function)
    return ast.unparse(module) + "\n"


def documented(source: str, seed: int) -> str:
    """A docstring of some length for the module and everything in it."""
    draw = random.Random(seed)
    module = ast.parse(source)
    described = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in [node for node in ast.walk(module) if isinstance(node, described)]:
        text = ast.Expr(ast.Constant(" ".join(["words"] * draw.randint(1, 200))))
        node.body[: int(ast.get_docstring(node) is not None)] = [text]
    return ast.unparse(ast.fix_missing_locations(module)) + "\n"


def mixed(source: str, seed: int) -> str:
    """All of them together."""
    for edit in (reordered, renamed, documented, unused):
        source = edit(source, seed)
    return source


EDITS: dict[str, Callable[[str, int], str]] = {
    "identical": identical,
    "unused": unused,
    "reordered": reordered,
    "renamed": renamed,
    "documented": documented,
    "mixed": mixed,
}


class _Rename(ast.NodeTransformer):
    def __init__(self, names: set[str], suffix: str) -> None:
        self.names, self.suffix = names, suffix

    def visit_Name(self, node: ast.Name) -> ast.Name:  # ast's own form
        if node.id in self.names:
            node.id += self.suffix
        return node


def _function(draw: random.Random, number: int) -> str:
    """One function of a few lines that uses names and constants of its own."""
    lines = [
        f"    value{line} = first * {draw.randint(300, 9999)} + {line}.5"
        for line in range(draw.randint(1, 6))
    ]
    text = "\n".join([f"def unused_{number}_{draw.randint(0, 999)}(first, second=None):", *lines])
    return f"{text}\n    return '{'x' * draw.randint(0, 60)}', value0, second\n"


def _has_scope(node: ast.AST) -> bool:
    made = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    return isinstance(node, Definition | made)


def _arguments(function: Function) -> list[ast.arg]:
    spec = function.args
    star = [argument for argument in (spec.vararg, spec.kwarg) if argument]
    return [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *star]


def _stored(function: Function) -> set[str]:
    """The names that a function binds itself and does not share with the module."""
    shared = {
        name
        for node in ast.walk(function)
        if isinstance(node, ast.Global | ast.Nonlocal)
        for name in node.names
    }
    bound = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return bound - shared
