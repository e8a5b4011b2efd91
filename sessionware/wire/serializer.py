"""Packs values into bytes and unpacks them, with the same type, the same value and the same bytes each time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal, NamedTuple

import msgpack
import msgspec

from sessionware.companions import DECODING_FAULTS, packer_options
from sessionware.exceptions import SessionDataError
from sessionware.wire import refusals, tags
from sessionware.wire.bounds import (
    FEW_EXTENSIONS,
    MAX_CONTAINERS,
    NO_MARKS,
    OPENERS,
    check_depth,
    check_hashes,
    has_used_up_stack,
)
from sessionware.wire.lenient import Leniency

OwnTypes = Mapping[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]

_STR = frozenset({str})
_LEAVES = {leaf.code: leaf.decode for leaf in tags.LEAVES.values()}
_MAX_SHOWN = 40
_PACKER_BYTES = 1024  # a packer's first buffer: to allocate the default of 256 KB takes longer than to pack a session
_IDLE_PACKERS = 16
#: What msgpack packs by itself, an int only if it has 64 bits at most.
_NATIVE = refusals.PLAIN | {str, list, dict}
_INTS = range(-(2**63), 2**64)


class Malformed(Exception):
    """Bytes that no :class:`Serializer` has written. Never leaves the package."""


class _Extension(NamedTuple):
    """An extension whose body is not looked at yet. Its hash is one that a client cannot choose."""

    code: int
    body: bytes


def _closed(code: int, body: memoryview) -> _Extension:
    return _Extension(code, bytes(body))


#: Without a hook, an extension has no hash, so an input with one as a key is refused before anything is compared.
_decode_outline = msgspec.msgpack.Decoder().decode
_decode_closed = msgspec.msgpack.Decoder(ext_hook=_closed).decode


class Serializer:
    """Packs the supported types and an application's own; safe to share between threads.

    *types* maps each own type, matched by exact class, to its name in the bytes, a function that gives a supported
    value for it, and one that makes it from such a value. Raises one ``ValueError`` that names every fault of *types*.
    With *values* ``"lenient"``, a value of a related type is kept as a plain one: see the option ``values``.

    Three methods refuse what is not supported. :meth:`check` sees a whole value when it is assigned. :meth:`dumps`
    runs at C speed, and sees nearly everything that was put into a container later. :meth:`verify_packed` finds the
    rest, and is needed only if the bytes have changed.

    msgpack packs, strictly by type; msgspec unpacks the same bytes in half the time, and keeps no key that it has seen.
    What is raised leaves the frames of this module behind, whose locals are a session's data.
    """

    __slots__ = (
        *("_containers", "_decoders", "_encoders", "_inspector", "_leniency", "_new_packer", "_own", "_packable"),
        *("_packers", "_ways"),
    )

    def __init__(self, types: OwnTypes | None = None, *, values: Literal["strict", "lenient"] = "strict") -> None:
        own = _checked(types or {})
        self._own = {name: from_plain for name, _, from_plain in own.values()}
        self._leniency = Leniency() if values == "lenient" else None
        to_plain = {kind: to_plain for kind, (_, to_plain, _) in own.items()}
        self._inspector = refusals.Inspector(to_plain, self._leniency)
        self._encoders: dict[type, tuple[int, Callable[[Any], bytes]]] = {
            **{kind: (leaf.code, leaf.encode) for kind, leaf in tags.LEAVES.items()},
            tuple: (tags.TUPLE, self._encode_tuple),
            set: (tags.SET, self._encode_set),
            frozenset: (tags.FROZENSET, self._encode_set),
            **{kind: (tags.OWN, partial(self._encode_own, name, to)) for kind, (name, to, _) in own.items()},
        }
        self._packable = _NATIVE | self._encoders.keys()
        self._containers: dict[int, Callable[[list[Any]], Any]] = {
            tags.TUPLE: tuple,
            tags.SET: partial(_hashed, set),
            tags.FROZENSET: partial(_hashed, frozenset),
            tags.OWN: self._decode_own,
        }
        # One for each level of extensions in extensions, whose bodies are unpacked by recursion, which has to end.
        self._decoders = [
            msgspec.msgpack.Decoder(ext_hook=partial(self._untag, self._load, level)).decode
            for level in range(MAX_CONTAINERS)
        ]
        # Only the careful way tells an own type whose values have no hash any more from a bad record.
        self._ways = (self._load, self._load_carefully) if own else (self._load,)
        tag = self._tag if self._leniency is None else partial(self._tag_leniently, self._leniency)
        self._new_packer = partial(msgpack.Packer, default=tag, strict_types=True, **packer_options(_PACKER_BYTES))
        # Packers not in use, kept because making one takes as long as packing a small session. A deque's append and
        # pop are atomic.
        self._packers: deque[Any] = deque(maxlen=_IDLE_PACKERS)

    def dumps(self, value: Any) -> bytes:
        """The bytes of *value*: equal values give equal bytes; the order of a dict counts, that of a set does not.

        A dict is taken for a session's data: its keys must be exactly ``str``, and paths in messages begin with
        ``session``; for any other value they begin with ``value``. Raises :exc:`SessionDataError` with the path to
        what is not supported. Only :meth:`verify_packed` finds a ``bytearray``, a ``memoryview`` and msgpack's own two
        types, which msgpack packs as another type, keys that would take long to compare, more time zones than sixteen,
        and a nesting slightly beyond the limit.
        """
        try:
            if type(value) is not dict or _STR.issuperset(map(type, value)):
                return self._pack(value)
            if self._leniency is not None and all(isinstance(key, str) for key in value):
                return self._pack({str.__str__(key): item for key, item in value.items()})
            raised: Exception = TypeError()
        except Exception as error:  # noqa: BLE001 - an own type's to_plain may raise anything
            raised = error.with_traceback(None)
        try:
            self._inspect(value)
        except SessionDataError as error:
            del value
            raise error.with_traceback(None) from error.__cause__
        del value
        if isinstance(raised, (MemoryError, RecursionError)):
            raise raised  # which says nothing of the value
        raise SessionDataError(f"the session could not be packed: {type(raised).__name__}")

    def dumps_data(self, data: dict[str, Any]) -> bytes:
        """As :meth:`dumps`, for a session's data whose keys have passed :meth:`check`, so that it looks at none."""
        if self._leniency is None:
            try:
                return self._pack(data)
            except Exception:  # noqa: BLE001, S110 - what is wrong is told below
                pass
        try:
            return self.dumps(data)
        except SessionDataError:
            del data  # a crash report shows the locals of each frame
            raise

    def verify(self, value: Any) -> None:
        """Walk over all of *value*, and raise :exc:`SessionDataError` with the path to what is not supported."""
        try:
            self._inspect(value)
        except SessionDataError as error:
            del value
            raise error.with_traceback(None) from error.__cause__

    def verify_packed(self, data: dict[str, Any]) -> None:
        """As :meth:`verify`, for a session's data that :meth:`dumps` has just packed; it walks only if it must."""
        if self._inspector.passes_by_types(data):
            return
        try:
            self._inspect(data)
        except SessionDataError as error:
            del data
            raise error.with_traceback(None) from error.__cause__

    def _inspect(self, value: Any) -> None:
        with tags.few_zones():
            if type(value) is dict:
                self._inspector.inspect_data(value)
            else:
                self._inspector.inspect(value, ("value",), 1)

    def check(self, key: str, value: Any) -> None:
        """Raise :exc:`SessionDataError` with the path if a session cannot hold *value* under *key*.

        A plain value takes the same time whatever its size; a container is walked over.
        """
        if type(key) is str and key.isascii():
            kind = type(value)
            if kind in refusals.PLAIN or (kind is str and value.isascii()):
                return
        try:
            with tags.few_zones():
                self._inspector.inspect_item(key, value)
        except SessionDataError as error:
            del key, value
            raise error.with_traceback(None) from error.__cause__

    def check_part(self, place: str, value: Any) -> None:
        """As :meth:`check`, for a value that stands under no key; the path begins with *place*."""
        try:
            with tags.few_zones():
                self._inspector.inspect(value, (place,), 1)
        except SessionDataError as error:
            del value
            raise error.with_traceback(None) from error.__cause__

    def loads(self, data: bytes) -> Any:
        """The value that :meth:`dumps` was given for *data*. Raises :exc:`Malformed` for any other bytes.

        Raises :exc:`SessionDataError`, the application's fault, for a type that this process does not declare, for
        what a ``from_plain`` or a hash raises, and for a time zone that this machine does not know. Time and memory are
        bounded by the length of *data*, and no value nests deeper than 64 levels. An application that is out of memory,
        or of stack, gets that error: it says nothing of the bytes.
        """
        marks = data.translate(None, NO_MARKS)
        if len(marks) <= MAX_CONTAINERS and len(marks.strip(OPENERS)) <= FEW_EXTENSIONS:
            # Most sessions: too few containers to nest too deep, and too few extensions for anything else. What
            # strip() leaves holds all of them, and it takes half the time that it takes to count them.
            try:
                return self._decoders[0](data)
            except Exception:  # noqa: BLE001, S110 - what is wrong is told below
                pass
        # Each zone is in an extension of its own.
        limit = tags.few_zones if len(marks) > tags.MAX_ZONES else nullcontext
        for load in self._ways:
            try:
                with limit():
                    value = load(data, marks, 0)
                if len(marks) > MAX_CONTAINERS:
                    check_depth(value, marks)
                return value
            except (SessionDataError, MemoryError) as error:
                del data, marks
                raise error.with_traceback(None) from error.__cause__
            except Exception as error:  # from msgspec, or the constructors of ten types
                # Bytes that nest deep have many marks; otherwise the application itself is at the end of its stack.
                if isinstance(error, RecursionError) and (len(marks) <= MAX_CONTAINERS or has_used_up_stack()):
                    del data
                    raise
        raise Malformed("these bytes were not written by a serializer")

    def _load(self, data: bytes, marks: bytes, level: int) -> Any:
        if len(marks.translate(None, OPENERS)) <= FEW_EXTENSIONS or _has_plain_keys(data):
            return self._decoders[level](data)
        return self._load_carefully(data, marks, level)

    def _load_carefully(self, data: bytes, marks: bytes, level: int) -> Any:
        """As :meth:`_load`, with a look at the hashes of keys before a dict is made of them."""
        if level >= MAX_CONTAINERS:
            raise ValueError("nested too deep")
        return self._reveal(_decode_closed(data), level)

    def _reveal(self, value: Any, level: int) -> Any:
        """*value* with its extensions decoded."""
        kind = type(value)
        if kind is _Extension:
            return self._untag(self._load_carefully, level, value.code, value.body)
        if kind is list:
            return [self._reveal(item, level) for item in value]
        if kind is dict:
            values = [self._reveal(item, level) for item in value.values()]
            return _hashed(
                lambda keys: dict(zip(keys, values, strict=True)), [self._reveal(key, level) for key in value]
            )
        if kind is tuple:
            return tuple(self._reveal(item, level) for item in value)
        return value

    def _pack(self, value: Any) -> bytes:
        # Each call takes a packer for itself: two threads cannot share one, nor can _tag use the one that called it.
        try:
            packer = self._packers.pop()
        except IndexError:
            packer = self._new_packer()
        packed: bytes = packer.pack(value)
        # A packer that raised is not given back, because it still holds a part; nor is one whose buffer has grown.
        if len(packed) <= _PACKER_BYTES:
            self._packers.append(packer)
        return packed

    def _tag(self, value: Any) -> msgpack.ExtType:
        code, encode = self._encoders[type(value)]
        return msgpack.ExtType(code, encode(value))

    def _tag_leniently(self, leniency: Leniency, value: Any) -> Any:
        found = self._encoders.get(type(value))
        if found is None:
            value = leniency.plain(value, self._packable)
            kind = type(value)
            if kind in _NATIVE and (kind is not int or value in _INTS):
                return value
            found = self._encoders[kind]
        code, encode = found
        return msgpack.ExtType(code, encode(value))

    def _untag(self, load: Callable[[bytes, bytes, int], Any], level: int, code: int, body: memoryview | bytes) -> Any:
        data = bytes(body)
        leaf = _LEAVES.get(code)
        if leaf is not None:
            return leaf(data)
        marks = data.translate(None, NO_MARKS)
        items = load(data, marks, level + 1)
        if type(items) is not list:
            raise ValueError("a container without an array")
        if code == tags.OWN:
            check_depth(items, marks)
        return self._containers[code](items)

    def _encode_tuple(self, value: tuple[Any, ...]) -> bytes:
        return self._pack(list(value))

    def _encode_set(self, value: set[Any] | frozenset[Any]) -> bytes:
        check_hashes(value)
        header: bytes = self._new_packer().pack_array_header(len(value))
        return header + b"".join(sorted(map(self._pack, value)))

    def _encode_own(self, name: str, to_plain: Callable[[Any], Any], value: Any) -> bytes:
        return self._pack([name, to_plain(value)])

    def _decode_own(self, items: list[Any]) -> Any:
        name, plain = items
        if type(name) is not str:
            raise ValueError("an own type without a name")
        from_plain = self._own.get(name)
        if from_plain is None:
            raise SessionDataError(
                f"a session holds a value of the own type {name[:_MAX_SHOWN]!r}, which this process does not declare; "
                "name it in the option types, and deploy that before anything stores one"
            )
        try:
            return from_plain(plain)
        except Exception as error:  # the function is the application's, and may raise anything
            refusals.drop_our_frames(error)
            raise SessionDataError(
                f"the from_plain of the own type {name!r} raised {refusals.name_of(type(error))}; see the cause"
            ) from error


def _has_plain_keys(data: bytes) -> bool:
    try:
        _decode_outline(data)
    except (TypeError, *DECODING_FAULTS):
        return False
    return True


def _hashed(make: Callable[[list[Any]], Any], items: list[Any]) -> Any:
    """What *make*, which builds a set or a dict, gives for *items*; nothing is compared if that would take long."""
    try:
        check_hashes(items)
        return make(items)
    except (SessionDataError, MemoryError):
        raise
    except Exception as error:
        kinds = ", ".join(sorted(_own_types_in(items)))
        if not kinds:
            raise
        refusals.drop_our_frames(error)
        raise SessionDataError(
            f"values of the own type {kinds} stand in a set or are keys, and cannot be hashed or compared any more: "
            f"{refusals.name_of(type(error))}; see the cause"
        ) from error


def _own_types_in(items: list[Any]) -> set[str]:
    """The names of the own types among *items*, and in the tuples among them."""
    found: set[str] = set()
    for item in items:
        if type(item) is tuple:
            found |= _own_types_in(list(item))
        elif type(item) not in refusals.SUPPORTED:
            found.add(refusals.name_of(type(item)))
    return found


def _checked(types: OwnTypes) -> OwnTypes:
    if not isinstance(types, Mapping):
        raise ValueError(
            f"expected a mapping of classes to (name, to_plain, from_plain), got an object of the type "
            f"{type(types).__name__}"
        )
    faults = [fault for kind, own in types.items() for fault in _faults(kind, own)]
    names = [own[0] for own in types.values() if isinstance(own, tuple) and own and isinstance(own[0], str)]
    faults += [f"the name {name!r} is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if faults:
        raise ValueError("; ".join(faults))
    return types


def _faults(kind: Any, own: Any) -> list[str]:
    if not isinstance(kind, type):
        return [f"expected a class as own type, got an object of the type {type(kind).__name__}"]
    if not isinstance(own, tuple) or len(own) != 3:
        return [f"{kind.__name__}: expected (name, to_plain, from_plain), a tuple of three"]
    name, to_plain, from_plain = own
    faults = []
    if kind in refusals.SUPPORTED:
        faults.append("is supported already; leave it out")
    if kind in refusals.UNTAGGABLE:
        faults.append("cannot be an own type, because msgpack packs it as another type; store bytes or a datetime")
    if type(name) is not str or not name or not name.isprintable():
        faults.append("the name must be a printable str that is not empty")
    if not callable(to_plain):
        faults.append("to_plain is not callable")
    if not callable(from_plain):
        faults.append("from_plain is not callable")
    return [f"{kind.__name__}: {fault}" for fault in faults]
