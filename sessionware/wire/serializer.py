"""Packs values into bytes and unpacks them, with the same type, the same value and the same bytes each time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgpack

from sessionware.exceptions import SessionDataError
from sessionware.wire import refusals, tags
from sessionware.wire.bounds import check_bounds, starts_with_array

OwnTypes = Mapping[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]

_STR = frozenset({str})
_PACKER_BYTES = 1024  # a packer's first buffer: to allocate the default of 256 KB takes longer than to pack a session
_IDLE_PACKERS = 16


class Malformed(Exception):
    """Bytes that no :class:`Serializer` has written, or that name an unknown type. Never leaves the package."""


class Serializer:
    """Packs the supported types and an application's own; safe to share between threads.

    *types* maps each own type, matched by exact class, to its name in the bytes, a function that gives a supported
    value for it, and one that makes it from such a value. Raises one ``ValueError`` that names every fault of *types*.

    Three methods refuse what is not supported. :meth:`check` sees a whole value when it is assigned. :meth:`dumps`
    runs at C speed, and sees nearly everything that was put into a container later. :meth:`verify` finds the rest; it
    walks over the data, and is needed only if the bytes have changed.
    """

    __slots__ = ("_decoders", "_encoders", "_inspector", "_new_packer", "_own", "_packers", "_unpack")

    def __init__(self, types: OwnTypes | None = None) -> None:
        own = _checked(types or {})
        self._own = {name: from_plain for name, _, from_plain in own.values()}
        self._inspector = refusals.Inspector({kind: to_plain for kind, (_, to_plain, _) in own.items()})
        self._encoders: dict[type, tuple[int, Callable[[Any], bytes]]] = {
            **{kind: (leaf.code, leaf.encode) for kind, leaf in tags.LEAVES.items()},
            tuple: (tags.TUPLE, self._encode_tuple),
            set: (tags.SET, self._encode_set),
            frozenset: (tags.FROZENSET, self._encode_set),
            **{kind: (tags.OWN, partial(self._encode_own, name, to)) for kind, (name, to, _) in own.items()},
        }
        self._decoders: dict[int, Callable[[bytes], Any]] = {
            **{leaf.code: leaf.decode for leaf in tags.LEAVES.values()},
            tags.TUPLE: lambda body: tuple(self._items(body)),
            tags.SET: lambda body: set(self._items(body)),
            tags.FROZENSET: lambda body: frozenset(self._items(body)),
            tags.OWN: self._decode_own,
        }
        self._new_packer = partial(msgpack.Packer, default=self._tag, strict_types=True, buf_size=_PACKER_BYTES)
        # Packers not in use, kept because making one takes as long as packing a small session. A deque's append and
        # pop are atomic.
        self._packers: deque[Any] = deque(maxlen=_IDLE_PACKERS)
        # By default every max_*_len is the length of what is unpacked: the input, or the body of an extension.
        self._unpack = partial(msgpack.unpackb, strict_map_key=False, ext_hook=self._untag)

    def dumps(self, value: Any) -> bytes:
        """The bytes of *value*: equal values give equal bytes; the order of a dict counts, that of a set does not.

        A dict is taken for a session's data: its keys must be exactly ``str``, and paths in messages begin with
        ``session``; for any other value they begin with ``value``. Raises :exc:`SessionDataError` with the path to
        what is not supported. Only :meth:`verify` finds a ``bytearray``, a ``memoryview`` and msgpack's own two types,
        which msgpack packs as another type, and a nesting slightly beyond the limit.
        """
        try:
            if type(value) is dict and not _STR.issuperset(map(type, value)):
                raise TypeError("a key that is not a str")
            return self._pack(value)
        except Exception as error:  # an own type's to_plain may raise anything
            self.verify(value)
            raise SessionDataError(f"the session could not be packed: {type(error).__name__}") from error

    def verify(self, value: Any) -> None:
        """Walk over all of *value*, and raise :exc:`SessionDataError` with the path to what is not supported."""
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
        self._inspector.inspect_item(key, value)

    def loads(self, data: bytes) -> Any:
        """The value that :meth:`dumps` was given for *data*. Raises only :exc:`Malformed`, for any other bytes.

        Time and memory are bounded by the length of *data*, and no value is built that nests deeper than 64 levels.
        """
        try:
            check_bounds(data)
            return self._unpack(data)
        except Exception as error:  # from msgpack, the constructors of ten types, or an own type's from_plain
            raise Malformed("these bytes were not written by a serializer with these types") from error

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

    def _untag(self, code: int, body: bytes) -> Any:
        return self._decoders[code](body)

    def _encode_tuple(self, value: tuple[Any, ...]) -> bytes:
        return self._pack(list(value))

    def _encode_set(self, value: set[Any] | frozenset[Any]) -> bytes:
        header: bytes = self._new_packer().pack_array_header(len(value))
        return header + b"".join(sorted(map(self._pack, value)))

    def _encode_own(self, name: str, to_plain: Callable[[Any], Any], value: Any) -> bytes:
        return self._pack([name, to_plain(value)])

    def _decode_own(self, body: bytes) -> Any:
        name, plain = self._items(body)
        return self._own[name](plain)

    def _items(self, body: bytes) -> list[Any]:
        # check_bounds counts levels by the headers of arrays: a body without one could recurse without limit.
        if not starts_with_array(body):
            raise ValueError("a container without an array")
        items: list[Any] = self._unpack(body)
        return items


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
