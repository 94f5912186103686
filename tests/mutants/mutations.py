"""The single mutations of a module: which piece of its text becomes which other."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult
}  # fmt: skip
BOUNDS = {"$lt": "$lte", "$lte": "$lt", "$gt": "$gte", "$gte": "$gt", "$ne": "$eq", "$in": "$nin", "$nin": "$in"}
"""MongoDB's comparisons are spelled as the keys of dictionaries."""
SAID = {"debug", "info", "warning", "error", "exception", "log"}
"""What only a log reads is not judged here."""
HELD = (ast.Tuple, ast.List, ast.Set)


@dataclass(frozen=True, order=True)
class Mutation:
    """:ivar start: where the text begins that is replaced, in bytes; :ivar end: where it ends."""

    path: Path
    line: int
    start: int
    end: int
    text: str
    kind: str

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]

    def told(self, source: bytes) -> str:
        was = " ".join(source[self.start : self.end].decode().split())
        return f"{self.path}:{self.line}: {self.kind}: {_short(was)} → {_short(self.text) or '(nothing)'}"


def mutations_of(path: Path) -> list[Mutation]:
    """Every mutation of a file that Python can still read, in the order of its lines."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    found = set()
    for node, text, kind in _changes(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        mutation = Mutation(path, node.lineno, start, starts[node.end_lineno - 1] + node.end_col_offset, text, kind)
        if _is_another_program(source, mutation):
            found.add(mutation)
    return sorted(found)


def _is_another_program(source: bytes, mutation: Mutation) -> bool:
    try:
        return ast.dump(ast.parse(mutation.applied(source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    """A node, what stands in its place, and what kind of fault that is."""
    for node in _judged(tree):
        match node:
            case ast.Compare(left, [operator, *others], comparators) if type(operator) in COMPARISONS:
                swapped = ast.Compare(left, [COMPARISONS[type(operator)](), *others], comparators)
                yield node, f"({ast.unparse(swapped)})", "comparison"
            case ast.BoolOp(operator, values):
                other = ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
                yield node, f"({ast.unparse(other)})", "and/or"
                for left_out in range(len(values)):
                    rest = [value for place, value in enumerate(values) if place != left_out]
                    rest_of = rest[0] if len(rest) == 1 else ast.BoolOp(operator, rest)
                    yield node, f"({ast.unparse(rest_of)})", "condition left out"
            case ast.UnaryOp(ast.Not(), operand):
                yield node, f"({ast.unparse(operand)})", "not left out"
            case ast.BinOp(left, operator, right) if type(operator) in OPERATORS and not _is_text(left, right):
                yield node, f"({ast.unparse(ast.BinOp(left, OPERATORS[type(operator)](), right))})", "arithmetic"
            case ast.Constant(bool() as value):
                yield node, str(not value), "constant"
            case ast.Constant(int() as value):
                yield node, str(value + 1), "constant"
            case ast.Constant(str() as value) if value in BOUNDS:
                yield node, repr(BOUNDS[value]), "bound of a query"
            case ast.Call(func, args, keywords):
                for left_out in keywords:
                    rest = [keyword for keyword in keywords if keyword is not left_out]
                    yield node, ast.unparse(ast.Call(func, args, rest)), "argument not passed on"
            case ast.Dict(keys, values) if len(keys) > 1:
                for left_out in range(len(keys)):
                    rest = [(k, v) for place, (k, v) in enumerate(zip(keys, values, strict=True)) if place != left_out]
                    yield node, ast.unparse(ast.Dict([k for k, _ in rest], [v for _, v in rest])), "entry left out"
            case ast.Tuple(elts) | ast.List(elts) | ast.Set(elts) if len(elts) > 1 and isinstance(node, HELD):
                for left_out in elts:
                    rest = [element for element in elts if element is not left_out]
                    yield node, _display(type(node), rest), "element left out"
            case (
                ast.Expr(ast.Call()) | ast.AugAssign() | ast.Delete() | ast.Assign([ast.Subscript() | ast.Attribute()])
            ):
                yield node, "pass", "statement left out"
            case ast.Raise() | ast.Return(ast.expr()):
                yield node, "pass" if isinstance(node, ast.Raise) else "return None", "statement left out"


def _judged(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """All but type hints, texts for people, logging, and what stands within f-strings (Python 3.11 misplaces it)."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr) or _is_logging(child):
                continue
            if isinstance(node, ast.Subscript) and isinstance(child, ast.Tuple):  # a type
                continue
            if isinstance(child, ast.expr | ast.stmt) and not isinstance(getattr(child, "ctx", None), ast.Store):
                yield child
            yield from _judged(child)


def _is_logging(node: ast.AST) -> bool:
    match node:
        case ast.Call(ast.Attribute(ast.Name(name), said)):
            return said in SAID and "log" in name.lower()
        case ast.Assign([ast.Name("__all__")]) | ast.Import() | ast.ImportFrom():
            return True
    return False


def _is_text(*sides: ast.expr) -> bool:
    return any(isinstance(side, ast.JoinedStr) or isinstance(getattr(side, "value", None), str) for side in sides)


def _display(kind: type[ast.expr], elements: list[ast.expr]) -> str:
    inside = ", ".join(map(ast.unparse, elements))
    if kind is ast.Tuple:
        return f"({inside}{',' if len(elements) == 1 else ''})"
    return f"[{inside}]" if kind is ast.List else f"{{{inside}}}"


def _short(text: str, limit: int = 110) -> str:
    return text if len(text) <= limit else f"{text[: limit // 2]} … {text[-limit // 2 :]}"
