"""What each setting is, read from the schema: for error messages, the template and the documentation."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from voicebridge.settings.schema import Settings

ENVIRONMENT_PREFIX = "VOICEBRIDGE_"
ENVIRONMENT_DELIMITER = "__"
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    SecretStr: "text",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: ``key`` is ``section.name``; ``type`` is bool, int, float, str, Path, SecretStr or Literal."""

    section: str
    name: str
    type: Any
    default: Any
    choices: tuple[str, ...]
    bounds: str
    """In words, such as ``from 0 to 3``; empty without bounds."""

    @property
    def key(self) -> str:
        """Its name in the configuration, with its section."""
        return f"{self.section}.{self.name}"

    @property
    def environment(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT_PREFIX + self.key.replace(".", ENVIRONMENT_DELIMITER).upper()

    @property
    def secret(self) -> bool:
        """True when its value is never shown."""
        return self.type is SecretStr

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.choices:
            return "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        return f"{_KINDS[self.type]} {self.bounds}".rstrip()

    def takes(self, value: object) -> bool:
        """Say whether a value from a configuration file is of the right TOML type, whatever its bounds."""
        wanted: tuple[type, ...] = {bool: (bool,), int: (int,), float: (int, float)}.get(self.type, (str,))
        return isinstance(value, wanted) and (self.type is bool or not isinstance(value, bool))


@cache
def described(model: type[BaseModel] = Settings) -> dict[str, Setting]:
    """Return every setting of a model of sections by its key, in the order of the schema."""
    return {setting.key: setting for setting in _settings(model)}


def sections(model: type[BaseModel] = Settings) -> dict[str, type[BaseModel]]:
    """Return the sections of a model by their names."""
    annotations = {name: field.annotation for name, field in model.model_fields.items()}
    return {
        name: section
        for name, section in annotations.items()
        if isinstance(section, type) and issubclass(section, BaseModel)
    }


def docstrings(section: type[BaseModel]) -> dict[str, str]:
    """Return what stands under each field of a section, in one line each.

    Pydantic can do this (``use_attribute_docstrings``), but does it at each import, also where nobody reads them; that
    costs 10 ms of the time to the first captured sample.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                found[name] = " ".join(doc.split())
    return found


def _settings(model: type[BaseModel]) -> Iterator[Setting]:
    for section, section_model in sections(model).items():
        for name, field in section_model.model_fields.items():
            plain = _without_none(field.annotation)
            is_choice = get_origin(plain) is Literal
            yield Setting(
                section=section,
                name=name,
                type=Literal if is_choice else plain,
                default=field.default,
                choices=get_args(plain) if is_choice else (),
                bounds=_bounds_in_words(field),
            )


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(member for member in get_args(annotation) if member is not NoneType)
    return annotation


def _bounds_in_words(field: FieldInfo) -> str:
    low = high = ""
    for bound in field.metadata:
        match bound:
            case Ge(ge=least):
                low = f"from {least}"
            case Gt(gt=least):
                low = f"above {least}"
            case Le(le=most):
                high = f"to {most}" if low.startswith("from") else f"and at most {most}"
            case Lt(lt=most):
                high = f"and below {most}"
    return f"{low} {high}".strip()
