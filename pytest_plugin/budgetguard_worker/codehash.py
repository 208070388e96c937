"""Code objects by content: what they do, without where they stand.

Bytecode, typed constants, names and the exception table count; file names and line numbers do not.
`marshal` would not do: what it writes depends on reference counts.
"""

import hashlib
import inspect
import struct
import sys
from collections.abc import Callable, Iterator
from types import CodeType

Rename = Callable[[str], str]

GENERATORS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
HAS_DOCSTRING = 0x4000000
"""The flag of a function with a docstring, from Python 3.14 on; before, the first constant says it."""
LINE_OF_CLASS = "__firstlineno__"
"""Python 3.13 stores the line of a class in the class."""


def digest_of(data: bytes) -> str:
    """A short digest of bytes, the same in every process."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def content(code: CodeType, rename: Rename, *, lines: bool = False) -> str:
    """Digest of one code object, in which the functions inside it count by their stub.

    `rename` replaces what differs between two checkouts in strings; `lines` adds the line numbers.
    """
    names = (code.co_stacksize, code.co_varnames, code.co_cellvars, code.co_names)
    written = (code.co_firstlineno, code.co_linetable) if lines else ()
    plain = repr((_signature(code), names, code.co_exceptiontable, written)).encode()
    return digest_of(plain + canonical(_body(code), rename))


def stub(code: CodeType) -> tuple[object, ...]:
    """What can be seen of a function that was made and never ran: signature, flags, docstring.

    A generator that is made and never started still allocates its frame, so its size counts roughly.
    """
    frame = code.co_nlocals + len(code.co_cellvars) + code.co_stacksize
    size = (frame // 16).bit_length() if code.co_flags & GENERATORS else 0
    return (*_signature(code), _docstring(code), size)


def canonical(value: object, rename: Rename) -> bytes:
    """Bytes that are equal only for constants of equal type and value, in any process."""
    match value:
        case str():
            data = rename(value).encode("utf-8", "surrogatepass")
        case bytes():
            data = value
        case tuple():
            data = b"".join(canonical(one, rename) for one in value)
        case frozenset():
            data = b"".join(sorted(canonical(one, rename) for one in value))
        case CodeType():
            data = rename(repr(stub(value))).encode()
        case float():
            data = struct.pack("<d", value)
        case complex():
            data = struct.pack("<dd", value.real, value.imag)
        case int():
            data = hex(value).encode()  # `str` refuses a number of many digits
        case slice():
            data = canonical((value.start, value.stop, value.step), rename)
        case _:
            data = repr(value).encode("utf-8", "surrogatepass")
    return f"{type(value).__name__} {len(data)} ".encode() + data


def strings(code: CodeType) -> Iterator[str]:
    """The strings among the constants of a code object."""
    pending: list[object] = list(code.co_consts)
    while pending:
        match pending.pop():
            case str() as text:
                yield text
            case tuple() | frozenset() as several:
                pending.extend(several)


def _signature(code: CodeType) -> tuple[object, ...]:
    variadic = bool(code.co_flags & inspect.CO_VARARGS) + bool(
        code.co_flags & inspect.CO_VARKEYWORDS
    )
    taken = code.co_argcount + code.co_kwonlyargcount + variadic
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return (code.co_name, code.co_qualname, *counts, code.co_varnames[:taken], code.co_freevars)


def _docstring(code: CodeType) -> str | None:
    first = code.co_consts[0] if code.co_consts else None
    told = sys.version_info < (3, 14) or code.co_flags & HAS_DOCSTRING
    return first if told and isinstance(first, str) else None


def _body(code: CodeType) -> tuple[object, ...]:
    if LINE_OF_CLASS not in code.co_names or code.co_flags & inspect.CO_OPTIMIZED:
        return (code.co_code, code.co_consts)
    return tuple(_class_body(code))


def _class_body(code: CodeType) -> Iterator[object]:
    """The instructions of a class with their constants in place, without the line it stands on.

    `__static_attributes__` comes out of a set, so that its order depends on the hash seed.
    """
    import opcode

    steps = [(opcode.opname[op], arg) for op, arg in _instructions(code)]
    stores = [code.co_names[arg] if op == "STORE_NAME" else "" for op, arg in steps[1:]]
    for (op, arg), stored in zip(steps, [*stores, ""], strict=True):
        if stored == LINE_OF_CLASS:
            continue
        value = code.co_consts[arg] if op == "LOAD_CONST" else arg
        if stored == "__static_attributes__" and isinstance(value, tuple):
            value = frozenset(value)
        yield "LOAD_CONST" if op == "LOAD_SMALL_INT" else op
        yield value


def _instructions(code: CodeType) -> Iterator[tuple[int, int]]:
    """Opcodes and their arguments; caches read as zeros."""
    import opcode

    extended, data = 0, code.co_code
    for op, low in zip(data[::2], data[1::2], strict=True):
        arg = extended | low
        extended = arg << 8 if op == opcode.EXTENDED_ARG else 0
        if op != opcode.EXTENDED_ARG:
            yield op, arg
