"""Reads what pickle has written, as data: no name in it is looked up, and nothing in it is called.

Two steps, because a payload of a few kilobytes can stand for a value of any size, and because to hash a value can take
as long as to walk it: :func:`parse` notes what pickle would do, and :class:`Builder` makes values of that, in bounds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from sessionware.importers.records import MAX_RECORD_BYTES
from sessionware.wire.bounds import check_hashes

T = TypeVar("T")

#: As in a session of ours: the value of a key is at level 1.
MAX_DEPTH = 64
_PROTOCOL_MARK = 0x80
_PROTOCOLS = range(2, 6)
_STOP = 0x2E
#: A value that is not shared has fewer parts than bytes; a few are often shared.
_SPARE_PARTS = 256
#: A long key that many dicts share takes two bytes in each.
_MAX_EXPANSION = 64
_MAX_CHARACTERS = 1 << 24
_MAX_DIGITS = 1000
_FLOAT = struct.Struct(">d")


class UnknownValue(Exception):
    """A value is of a type that is not read."""


class Name(NamedTuple):
    """What pickle would import."""

    module: str
    name: str


class Call:
    """What pickle would call: a *function* with *arguments*, and what it would do to the result."""

    __slots__ = ("arguments", "function", "pairs", "state")

    def __init__(self, function: Any, arguments: Any) -> None:
        self.function = function
        self.arguments = arguments
        self.state: Any = None
        self.pairs = Pairs()


class Pairs(list[tuple[Any, Any]]):
    """The items of a dict, which is not hashed yet."""


class Members(list[Any]):
    """The members of a set, as :class:`Pairs`."""


class FrozenMembers(Members):
    """The members of a frozenset."""


Build = Callable[[tuple[Any, ...], Any], Any]
#: For each name that is read: a function of the arguments and the state, which raises for all that is not its own.
Types = Mapping[tuple[str, str], Build]


def parse(payload: bytes) -> Any:
    """What *payload* stands for, in the types of this module; raises ``ValueError``."""
    if len(payload) > MAX_RECORD_BYTES:
        raise ValueError("a pickle is larger than any session")
    if not is_pickle(payload):
        raise ValueError("no pickle")
    machine = _Machine(payload, 2 if payload[0] == _PROTOCOL_MARK else 0)
    try:
        return machine.run()
    except (LookupError, TypeError, struct.error) as error:
        raise ValueError("no pickle") from error


def is_pickle(payload: bytes) -> bool:
    """Whether *payload* begins as a pickle of the protocols 2 to 5, or as a dict of protocol 0; JSON does not."""
    return (len(payload) > 1 and payload[0] == _PROTOCOL_MARK and payload[1] in _PROTOCOLS) or payload[:2] == b"(d"


class _Machine:
    """The stack, the marks on it, and the memo, as the opcodes of pickle want them."""

    __slots__ = ("marks", "memo", "payload", "position", "stack")

    def __init__(self, payload: bytes, position: int) -> None:
        self.payload = payload
        self.position = position
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        payload = self.payload
        while True:
            code = payload[self.position]
            self.position += 1
            if code == _STOP:
                break
            _STEPS[code](self)
        if self.position != len(payload) or len(self.stack) != 1:
            raise ValueError("more than one value")
        return self.stack[0]

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.payload):
            raise ValueError("cut off")
        taken = self.payload[self.position : end]
        self.position = end
        return taken

    def skip(self, size: int) -> None:
        self.take(size)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def line(self) -> bytes:
        end = self.payload.index(b"\n", self.position)
        return self.take(end + 1 - self.position)[:-1]

    def digits(self) -> bytes:
        """A line with a number, short enough to be converted at once."""
        line = self.line()
        if len(line) > _MAX_DIGITS:
            raise ValueError("a number of too many digits")
        return line

    def since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def last(self, count: int) -> list[Any]:
        items = [self.stack.pop() for _ in range(count)]
        items.reverse()
        return items

    def add_pairs(self, items: list[Any]) -> None:
        target = self.stack[-1]
        pairs = target.pairs if type(target) is Call else target
        if type(pairs) is not Pairs or len(items) % 2:
            raise ValueError("items of what is no dict")
        pairs.extend(zip(items[::2], items[1::2], strict=True))

    def dict(self) -> None:
        items = self.since_mark()
        self.stack.append(Pairs())
        self.add_pairs(items)

    def add_items(self, kinds: tuple[type, ...], items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is Call:
            target.function = None  # a class of the application, made of a list or a set
        elif type(target) in kinds:
            target.extend(items)
        else:
            raise ValueError("members of what has none")

    def call(self, count: int) -> None:
        function, arguments, *keywords = self.last(count)
        self.stack.append(Call(None if keywords else function, arguments))

    def set_state(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is not Call:
            raise ValueError("a state of what has none")
        target.state = state

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name that is no text")
        self.stack.append(Name(module, name))


def _push(make: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(make(machine))


def _text(size: int) -> Callable[[_Machine], None]:
    return _push(lambda machine: machine.take(machine.number(size)).decode("utf-8", "surrogatepass"))


def _bytes(size: int) -> Callable[[_Machine], None]:
    return _push(lambda machine: machine.take(machine.number(size)))


def _long(size: int) -> Callable[[_Machine], None]:
    return _push(lambda machine: int.from_bytes(machine.take(machine.number(size)), "little", signed=True))


def _tuple(count: int) -> Callable[[_Machine], None]:
    return _push(lambda machine: tuple(machine.last(count)))


def _get(size: int) -> Callable[[_Machine], None]:
    return _push(lambda machine: machine.memo[machine.number(size)])


def _put(size: int) -> Callable[[_Machine], None]:
    def step(machine: _Machine) -> None:
        machine.memo[machine.number(size)] = machine.stack[-1]

    return step


def _memoize(machine: _Machine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _integer(machine: _Machine) -> int:
    """An int of protocol 0, which writes the booleans with two digits."""
    digits = machine.digits()
    return digits == b"01" if digits in (b"00", b"01") else int(digits.removesuffix(b"L"))


def _put_numbered(machine: _Machine) -> None:
    machine.memo[int(machine.digits())] = machine.stack[-1]


#: By the bytes of pickle's opcodes (see the module ``pickletools``). Extension codes, persistent ids, buffers, and what
#: only recursive values need, or Python 2, are not read.
_STEPS: dict[int, Callable[[_Machine], None]] = {
    0x95: lambda machine: machine.skip(8),  # FRAME
    ord("N"): _push(lambda machine: None),
    0x88: _push(lambda machine: True),
    0x89: _push(lambda machine: False),
    ord("K"): _push(lambda machine: machine.number(1)),
    ord("M"): _push(lambda machine: machine.number(2)),
    ord("J"): _push(lambda machine: int.from_bytes(machine.take(4), "little", signed=True)),
    0x8A: _long(1),
    0x8B: _long(4),
    ord("G"): _push(lambda machine: _FLOAT.unpack(machine.take(8))[0]),
    0x8C: _text(1),
    ord("X"): _text(4),
    0x8D: _text(8),
    ord("C"): _bytes(1),
    ord("B"): _bytes(4),
    0x8E: _bytes(8),
    0x96: _push(lambda machine: Call(None, (machine.take(machine.number(8)),))),  # a bytearray
    ord("]"): _push(lambda machine: []),
    ord("}"): _push(lambda machine: Pairs()),
    0x8F: _push(lambda machine: Members()),
    ord(")"): _tuple(0),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("("): lambda machine: machine.marks.append(len(machine.stack)),
    ord("t"): _push(lambda machine: tuple(machine.since_mark())),
    0x91: _push(lambda machine: FrozenMembers(machine.since_mark())),
    ord("a"): lambda machine: machine.add_items((list,), machine.last(1)),
    ord("e"): lambda machine: machine.add_items((list,), machine.since_mark()),
    0x90: lambda machine: machine.add_items((Members,), machine.since_mark()),
    ord("s"): lambda machine: machine.add_pairs(machine.last(2)),
    ord("u"): lambda machine: machine.add_pairs(machine.since_mark()),
    ord("q"): _put(1),
    ord("r"): _put(4),
    0x94: _memoize,
    ord("h"): _get(1),
    ord("j"): _get(4),
    ord("c"): lambda machine: machine.name(machine.line().decode("ascii"), machine.line().decode("ascii")),
    0x93: lambda machine: machine.name(*machine.last(2)),
    ord("R"): lambda machine: machine.call(2),
    0x81: lambda machine: machine.call(2),  # NEWOBJ
    0x92: lambda machine: machine.call(3),  # NEWOBJ_EX
    ord("b"): lambda machine: machine.set_state(),
    # Those of protocol 0.
    ord("I"): _push(_integer),
    ord("L"): _push(_integer),
    ord("F"): _push(lambda machine: float(machine.digits())),
    ord("V"): _push(lambda machine: machine.line().decode("raw-unicode-escape")),
    ord("d"): lambda machine: machine.dict(),
    ord("l"): _push(lambda machine: machine.since_mark()),
    ord("p"): _put_numbered,
    ord("g"): _push(lambda machine: machine.memo[int(machine.digits())]),
}


class Builder:
    """Makes values of what was parsed from a payload of *size* bytes: of *types*, and of those of JSON and msgpack.

    Raises :exc:`UnknownValue` for a value of another type, and ``ValueError`` where the payload stands for more than
    the values of a session are. What is shared is made once, as by pickle, and counts in each place, as in a session.
    """

    def __init__(self, size: int, types: Types) -> None:
        self._parts = size + _SPARE_PARTS
        self._characters = min(_MAX_EXPANSION * size, _MAX_CHARACTERS)
        self._types = types
        #: By the identity of what was parsed: the value, and how many parts and characters it has.
        self._built: dict[int, tuple[Any, int, int]] = {}
        self._lists_hashed: set[int] = set()

    def items(self, parsed: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The items of a dict with texts for keys, and the keys of those that are not read."""
        if type(parsed) is not Pairs:
            raise ValueError("no dict")
        found: dict[str, Any] = {}
        unreadable = []
        for key, value in parsed:
            try:
                if type(key) is not str:
                    raise UnknownValue
                found[key] = self.value(value)
            except UnknownValue:
                unreadable.append(key if type(key) is str else f"(a key of type {type(key).__name__})")
        return found, tuple(unreadable)

    def value(self, parsed: Any, depth: int = 1) -> Any:
        """The value of *parsed*."""
        kind = type(parsed)
        self._parts -= 1
        if kind is str or kind is bytes:
            self._characters -= len(parsed)
        elif kind is int:
            self._characters -= parsed.bit_length() >> 3
        self._check()
        make = _MAKERS.get(kind)
        if make is None and kind in _ATOMS:
            return parsed
        if make is None or depth > MAX_DEPTH:
            raise UnknownValue
        return self._made(make, parsed, depth + 1)

    def _made(self, make: Callable[[Builder, Any, int], Any], parsed: Any, depth: int) -> Any:
        if id(parsed) in self._built:
            value, parts, characters = self._built[id(parsed)]
            self._parts -= parts
            self._characters -= characters
            self._check()
            return value
        parts, characters = self._parts, self._characters
        value = make(self, parsed, depth)
        self._built[id(parsed)] = value, parts - self._parts, characters - self._characters
        return value

    def _check(self) -> None:
        if self._parts < 0 or self._characters < 0:
            raise ValueError("a pickle stands for more than it has bytes")

    def values(self, parsed: Any, depth: int) -> list[Any]:
        return [self.value(item, depth) for item in parsed]

    def pairs(self, parsed: Pairs, depth: int) -> dict[Any, Any]:
        items = [(self.value(key, depth), self.value(value, depth)) for key, value in parsed]
        return _hashed(dict, items, [key for key, _ in items])

    def members(self, parsed: Members, depth: int) -> set[Any] | frozenset[Any]:
        values = self.values(parsed, depth)
        return hashed(frozenset, values) if type(parsed) is FrozenMembers else hashed(set, values)

    def called(self, parsed: Call, depth: int) -> Any:
        function, given = _attribute(parsed.function), parsed.arguments
        if function == _RECONSTRUCTOR:
            function, given = _constructor(given)
        if type(given) is not tuple or type(function) is not Name:
            raise UnknownValue
        if function in _DICTS and parsed.state is None:
            return self.pairs(parsed.pairs, depth)
        build = self._types.get(function)
        if build is None or parsed.pairs:
            raise UnknownValue
        state = None if parsed.state is None else self.value(parsed.state, depth)
        arguments = tuple(self.values(given, depth))
        self._count_hashing(given)
        try:
            return build(arguments, state)
        except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as error:
            raise UnknownValue from error

    def _count_hashing(self, given: tuple[Any, ...]) -> None:
        """Count what comparing members of one hash takes, where several sets are made of one list, as by no pickler."""
        for argument in given:
            if id(argument) in self._lists_hashed:
                self._parts -= len(argument) ** 2 // 16
            elif type(argument) is list:
                self._lists_hashed.add(id(argument))


def hashed(make: Callable[[list[Any]], T], members: list[Any]) -> T:
    """The set that *make* makes of *members*; nothing is compared if that would take long."""
    return _hashed(make, members, members)


def _hashed(make: Callable[[list[Any]], T], items: list[Any], keys: list[Any]) -> T:
    try:
        check_hashes(keys)
        return make(items)
    except (TypeError, ValueError) as error:
        raise UnknownValue from error


def _attribute(function: Any) -> Any:
    """The name that *function* stands for; the protocols before 4 take a method from its class by a call."""
    if type(function) is Call and function.function in _GETATTR and type(function.arguments) is tuple:
        match function.arguments:
            case (Name(module, owner), str(name)):
                return Name(module, f"{owner}.{name}")
    return function


def _constructor(given: Any) -> tuple[Any, Any]:
    """The class and the arguments of an object that protocol 0 has written."""
    match given:
        case (Name() as name, Name("__builtin__", "object"), None):
            return name, ()
        case (Name() as name, Name("__builtin__", "unicode"), str(text)):
            return name, (text,)
    return None, None


_ATOMS = (type(None), bool, int, float, str, bytes)
_MAKERS: dict[type, Callable[[Builder, Any, int], Any]] = {
    list: Builder.values,
    tuple: lambda builder, parsed, depth: tuple(builder.values(parsed, depth)),
    Pairs: Builder.pairs,
    Members: Builder.members,
    FrozenMembers: Builder.members,
    Call: Builder.called,
}
_RECONSTRUCTOR = Name("copy_reg", "_reconstructor")
_GETATTR = (Name("__builtin__", "getattr"), Name("builtins", "getattr"))
#: Subclasses of dict that are kept as their items.
_DICTS = {Name("collections", "OrderedDict"), Name("collections", "defaultdict")}
