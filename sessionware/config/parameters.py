"""Converts a store's options by the annotations of its ``__init__``."""

from __future__ import annotations

import collections.abc
import inspect
import os
import types
import typing
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sessionware.conversions import (
    Converter,
    boolean,
    duration,
    either,
    expected,
    finite_number,
    function,
    imported,
    integer,
    is_dotted_name,
    optional,
    string,
)

#: The note in ``Annotated[float, "duration"]``, by which a store's parameter asks for seconds.
DURATION_NOTE = "duration"


def parameters_of(store_class: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of *store_class* by name, with a ``**`` parameter among them."""
    return inspect.signature(store_class).parameters


def named_parameters(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """The parameters that an option can set."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, parameter in parameters.items() if parameter.kind in kinds]


def takes_any_name(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Whether there is a ``**`` parameter."""
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())


def annotations_of(store_class: Any) -> dict[str, Any]:
    """The annotations of ``__init__``, as far as they can be resolved.

    A name that is imported for type checkers only cannot be resolved: it becomes ``Any``, which converts nothing.
    """
    init = inspect.unwrap(store_class.__init__)
    written = getattr(init, "__annotations__", {})
    names = getattr(init, "__globals__", {})
    return {name: _resolved(annotation, names) for name, annotation in written.items()}


def _resolved(annotation: object, names: dict[str, Any]) -> Any:
    try:
        holder = types.SimpleNamespace(__annotations__={"parameter": annotation})
        return typing.get_type_hints(holder, globalns=names, include_extras=True)["parameter"]
    except Exception:  # noqa: BLE001 - evaluating an annotation may raise anything
        return Any


def _path(value: object) -> Path:
    found = _path_like(value)
    if not os.fspath(found):
        raise expected("a path", value)
    return Path(found)


def _path_like(value: object) -> str | os.PathLike[str]:
    """A path as it was written, but for a ``~`` at its beginning: the home directory, as in a shell."""
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise expected("a path", value)
    written = os.fspath(value)
    if not written.startswith("~"):
        return value
    found = os.path.expanduser(written)
    if found == written:
        raise ValueError(
            f"there is no home directory for {written.partition('/')[0]!r}; a name that has a ~ is written ./~name"
        )
    return found if isinstance(value, str) else Path(found)


def _interval(value: object) -> timedelta:
    try:
        return timedelta(seconds=duration(value))
    except OverflowError:
        raise expected("a duration that fits into a timedelta", value) from None


def _object(value: object) -> Any:
    """Any object unchanged, but for the name of an object, which is imported."""
    return imported(value) if isinstance(value, str) and is_dotted_name(value) else value


_BY_TYPE: dict[Any, Converter] = {
    str: string,
    bool: boolean,
    int: integer,
    float: finite_number,
    Path: _path,
    os.PathLike: _path_like,
    timedelta: _interval,
    collections.abc.Callable: function,
}

#: Nearly every string converts to these, so in a union the narrower types are tried first.
_BROADER_TYPES: tuple[Any, ...] = (str, Path, os.PathLike)


def converter_for(annotation: Any) -> Converter:
    """The converter for a parameter with *annotation*; objects of a type that is not known here stay as they are."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        plain, *notes = typing.get_args(annotation)
        return duration if DURATION_NOTE in notes else converter_for(plain)
    if origin in (typing.Union, types.UnionType):
        return _union(typing.get_args(annotation))
    if origin is typing.Literal:
        return _literal(typing.get_args(annotation))
    key = _plain(annotation)
    return _BY_TYPE.get(key, _object) if isinstance(key, collections.abc.Hashable) else _object


def _plain(annotation: Any) -> Any:
    """*annotation* without its parameters: ``os.PathLike`` of ``os.PathLike[str]``."""
    origin = typing.get_origin(annotation)
    return annotation if origin is None else origin


def _union(members: tuple[Any, ...]) -> Converter:
    others = [member for member in members if member is not type(None)]
    known = [member for member in others if converter_for(member) is not _object]
    broad = [member for member in known if _plain(member) in _BROADER_TYPES]
    converters = [converter_for(member) for member in known if member not in broad]
    # A path that is given as a str stays one where the annotation allows it.
    converters += [_path_like] if len(broad) > 1 else [converter_for(member) for member in broad]
    if len(known) < len(others):
        converters.append(_object)
    convert = converters[0] if len(converters) == 1 else _first_of(converters)
    return optional(convert) if len(others) < len(members) else convert


def _first_of(converters: list[Converter]) -> Converter:
    def convert(value: object) -> Any:
        for converter in converters:
            try:
                return converter(value)
            except ValueError as error:
                refusal = error
        raise refusal

    return convert


def _literal(values: tuple[Any, ...]) -> Converter:
    def convert(value: object) -> Any:
        for literal in values:
            if value == literal or (isinstance(value, str) and value.strip() == str(literal)):
                return literal
        raise expected(either(values), value)

    return convert
