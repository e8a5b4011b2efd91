"""Refuses bytes whose loading would take more memory or recursion than their length justifies, before it begins.

msgpack reserves eight bytes for each element that the header of an array claims, so four kilobytes of ``dc 0f a0``
would take 33 MB. The bodies of extensions are loaded by recursion, whose depth has to be bounded too.
"""

from __future__ import annotations

from sessionware.wire import tags

MAX_LEVELS = 64
"""How many levels deep the value of one key may nest."""

_MAX_CONTAINERS = MAX_LEVELS + 2  # and around them the mapping of the session's data, in the array of its record

_FIRST_OF_MAPS, _FIRST_OF_ARRAYS, _AFTER_FIXED = 0x80, 0x90, 0xA0
_TIMESTAMP = b"\xff"  # msgpack's own extension type -1, which it unpacks without calling our ext_hook
_OPENERS = frozenset(range(_FIRST_OF_MAPS, _AFTER_FIXED)) | {0xDC, 0xDD, 0xDE, 0xDF}
_NO_OPENERS = bytes(byte for byte in range(256) if byte not in _OPENERS)
_RESERVED = 1 << 18  # the elements that headers may claim in all before the bytes are scanned: 2 MB

_SCALARS = {0xC0: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9}
_SCALARS |= {0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}
_SCALARS |= dict.fromkeys((*range(0x80), *range(0xE0, 0x100)), 1)
_SCALARS |= {0xA0 + length: 1 + length for length in range(32)}
_SIZES = [_SCALARS.get(byte, 0) for byte in range(256)]
_STRING_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXTENSION_LENGTHS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_EXTENSION_SIZES = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_ARRAY_LENGTHS = {0xDC: 2, 0xDD: 4}
_MAP_LENGTHS = {0xDE: 2, 0xDF: 4}
_ANYWHERE = -1
_LEAF_CODES = frozenset(leaf.code for leaf in tags.LEAVES.values())


def check_bounds(data: bytes) -> None:
    """Raise ``ValueError`` or ``IndexError`` if *data* claims more than it holds or nests deeper than it may.

    If few bytes, wherever they stand, could open a container, then no bound can be exceeded, and nothing is scanned.
    What passes may still be malformed, but to load it takes no more than its length justifies.
    """
    openers = len(data.translate(None, _NO_OPENERS))
    if openers > _MAX_CONTAINERS or openers * len(data) > _RESERVED or _TIMESTAMP in data:
        _scan(data)


def starts_with_array(body: bytes) -> bool:
    """Whether the first element of *body* is an array, which is so in every container of ours."""
    return _FIRST_OF_ARRAYS <= body[0] < _AFTER_FIXED or body[0] in _ARRAY_LENGTHS


def _scan(data: bytes) -> None:
    """Go over the elements without building them.

    The elements that headers have claimed and that are still to come may never outnumber the bytes that are left, so
    all claims together stay below the length of the input.
    """
    outer: list[tuple[int, int]] = []  # of each open container: the elements still to come, and where it has to end
    left, end, position, claimed = 1, len(data), 0, 1
    while True:
        while not left:
            if end not in (position, _ANYWHERE):
                raise ValueError("an extension whose body is shorter or longer than it says")
            if not outer:
                return
            left, end = outer.pop()
        left -= 1
        claimed -= 1
        size = _SIZES[data[position]]
        if size:
            position += size
            continue
        elements, position, inner_end = _open(data, position)
        claimed += elements
        if claimed > len(data) - position or len(outer) >= _MAX_CONTAINERS:
            raise ValueError("more elements than bytes, or nested too deep")
        outer.append((left, end))
        left, end = elements, inner_end


def _open(data: bytes, position: int) -> tuple[int, int, int]:
    """Of the element at *position*: how many elements it contains, where they start, and where they have to end."""
    byte = data[position]
    position += 1
    if byte in _STRING_LENGTHS:
        length, position = _number(data, position, _STRING_LENGTHS[byte])
        return 0, position + length, _ANYWHERE
    if byte in _EXTENSION_SIZES:
        return _extension(data, position, _EXTENSION_SIZES[byte])
    if byte in _EXTENSION_LENGTHS:
        length, position = _number(data, position, _EXTENSION_LENGTHS[byte])
        return _extension(data, position, length)
    return *_elements(data, position - 1), _ANYWHERE


def _elements(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    position += 1
    if byte in _ARRAY_LENGTHS:
        return _number(data, position, _ARRAY_LENGTHS[byte])
    if byte in _MAP_LENGTHS:
        length, position = _number(data, position, _MAP_LENGTHS[byte])
        return 2 * length, position
    if _FIRST_OF_ARRAYS <= byte < _AFTER_FIXED:
        return byte - _FIRST_OF_ARRAYS, position
    if _FIRST_OF_MAPS <= byte < _FIRST_OF_ARRAYS:
        return 2 * (byte - _FIRST_OF_MAPS), position
    raise ValueError("a byte that msgpack never writes")


def _extension(data: bytes, position: int, length: int) -> tuple[int, int, int]:
    code = data[position]
    position += 1
    end = position + length
    if code in _LEAF_CODES:
        return 0, end, _ANYWHERE
    if code not in tags.CONTAINERS or not starts_with_array(data[position:end]):
        raise ValueError("an extension type that is not ours")
    return *_elements(data, position), end


def _number(data: bytes, position: int, width: int) -> tuple[int, int]:
    end = position + width
    return int.from_bytes(data[position:end], "big"), end
