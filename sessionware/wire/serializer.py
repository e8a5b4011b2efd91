"""Values to bytes and back: the same type, the same value, the same bytes."""

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
_PACKER_BYTES = 1024  # what a packer begins with; the default of 256 KB costs more than packing a session
_IDLE_PACKERS = 16


class Malformed(Exception):
    """Bytes that no serializer of ours has written, or that name an unknown type. Never leaves the package."""


class Serializer:
    """Packs the supported types and a program's own; safe to share between threads.

    *types* are own types, each with its name in the bytes, a function that gives a supported value for it, and one
    that makes it from such a value again. They are matched by exact class. Raises ``ValueError`` that names every
    fault of *types*.

    Three calls share the work of refusing what is not supported. :meth:`check` sees all of a value when it is
    assigned. :meth:`dumps` runs at C speed and sees nearly all that was put into a container since. :meth:`verify`
    sees the rest; it walks, and is needed only when the bytes have turned out to be new.
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
        # Those that nobody is using, because making one takes as long as packing a small session. Both methods of a
        # deque are atomic.
        self._packers: deque[Any] = deque(maxlen=_IDLE_PACKERS)
        # Every max_*_len is by default the length of the input, in the bodies of extensions their own.
        self._unpack = partial(msgpack.unpackb, strict_map_key=False, ext_hook=self._untag)

    def dumps(self, value: Any) -> bytes:
        """The bytes of *value*; the same for the same value, with the order of a dict, and whatever order of a set.

        A dict is taken for a session's data: its keys must be exactly ``str``, and paths begin with ``session``; those
        in any other value begin with ``value``. Raises :exc:`SessionDataError` with the path for what is not
        supported, but for a ``bytearray``, a ``memoryview`` and msgpack's own two types, which msgpack packs as
        something else, and for nesting somewhat beyond the limit: these are :meth:`verify`'s to find.
        """
        try:
            if type(value) is dict and not _STR.issuperset(map(type, value)):
                raise TypeError("a key that is not a str")
            return self._pack(value)
        except Exception as error:  # an own type's to_plain may raise anything
            self.verify(value)
            raise SessionDataError(f"the session could not be packed: {type(error).__name__}") from error

    def verify(self, value: Any) -> None:
        """Raise :exc:`SessionDataError` with the path for everything that is not supported; walks over all of it."""
        if type(value) is dict:
            self._inspector.inspect_data(value)
        else:
            self._inspector.inspect(value, ("value",), 1)

    def check(self, key: str, value: Any) -> None:
        """Raise :exc:`SessionDataError` with the path if a session cannot hold *value* under *key*.

        Plain values cost the same whatever their size; containers are walked over.
        """
        if type(key) is str and key.isascii():
            kind = type(value)
            if kind in refusals.PLAIN or (kind is str and value.isascii()):
                return
        self._inspector.inspect_item(key, value)

    def loads(self, data: bytes) -> Any:
        """The one value that *data* holds. Raises :exc:`Malformed`, and nothing else, for all other bytes.

        Neither time nor memory exceeds what the length of *data* allows, and nothing is built that nests deeper than
        64 levels.
        """
        try:
            check_bounds(data)
            return self._unpack(data)
        except Exception as error:  # from msgpack, from the constructors of ten types, from an own type's from_plain
            raise Malformed("not a value of ours") from error

    def _pack(self, value: Any) -> bytes:
        # A packer of its own for each call: one cannot be used by two threads, nor again inside its own call of _tag.
        try:
            packer = self._packers.pop()
        except IndexError:
            packer = self._new_packer()
        packed: bytes = packer.pack(value)
        # After an error it is not given back, for it holds what it had begun; nor is one that has grown large.
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
        # The header of an array at every level is what check_bounds counts: without it the recursion had no end.
        if not starts_with_array(body):
            raise ValueError("a container without an array")
        items: list[Any] = self._unpack(body)
        return items


def _checked(types: OwnTypes) -> OwnTypes:
    if not isinstance(types, Mapping):
        raise ValueError("own types are a mapping of classes to (name, to_plain, from_plain)")
    faults = [fault for kind, own in types.items() for fault in _faults(kind, own)]
    names = [own[0] for own in types.values() if isinstance(own, tuple) and own and isinstance(own[0], str)]
    faults += [f"the name {name!r} is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if faults:
        raise ValueError("; ".join(faults))
    return types


def _faults(kind: Any, own: Any) -> list[str]:
    if not isinstance(kind, type):
        return [f"{type(kind).__name__}: an own type is a class, and this is an object"]
    if not isinstance(own, tuple) or len(own) != 3:
        return [f"{kind.__name__}: give (name, to_plain, from_plain)"]
    name, to_plain, from_plain = own
    faults = []
    if kind in refusals.SUPPORTED:
        faults.append("is supported already")
    if kind in refusals.UNTAGGABLE:
        faults.append("is packed by msgpack as something else, and cannot be an own type")
    if type(name) is not str or not name or not name.isprintable():
        faults.append("the name must be a printable str that is not empty")
    if not callable(to_plain):
        faults.append("to_plain is not callable")
    if not callable(from_plain):
        faults.append("from_plain is not callable")
    return [f"{kind.__name__}: {fault}" for fault in faults]
