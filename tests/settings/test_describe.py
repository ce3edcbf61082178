"""Settings are described from their schema."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from voicebridge.settings.describe import described, docstrings
from voicebridge.settings.problems import nearest, shown, wrong_value


class Things(BaseModel):
    """Some things."""

    count: Annotated[int, Field(ge=1, le=9)] = 2
    """How many
    there are."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    speed: Annotated[float, Field(gt=0, le=3)] = 1.0
    depth: Annotated[float, Field(ge=2)] = 2.0
    on: bool = False
    kind: Literal["a", "b"] = "a"
    token: SecretStr = SecretStr("hush")
    maybe: str | None = None


class Toy(BaseModel):
    things: Things = Things()


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("things.count", "a whole number from 1 to 9"),
        ("things.share", "a number above 0 and below 1"),
        ("things.speed", "a number above 0 and at most 3"),
        ("things.depth", "a number from 2"),
        ("things.on", "true or false"),
        ("things.kind", 'one of "a", "b"'),
        ("things.token", "text"),
        ("things.maybe", "text"),
    ],
)
def test_what_is_allowed_is_said_in_words(key: str, allowed: str) -> None:
    assert described(Toy)[key].allowed == allowed


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        ("things.count", 1, 1.0),
        ("things.count", 99, True),
        ("things.share", 1, "1"),
        ("things.on", True, 1),
        ("things.kind", "z", 1),
        ("things.token", "x", []),
    ],
)
def test_a_file_must_give_the_right_type(key: str, right: object, wrong: object) -> None:
    assert described(Toy)[key].takes(right)
    assert not described(Toy)[key].takes(wrong)


def test_the_text_under_a_field_is_its_meaning_in_one_line() -> None:
    assert docstrings(Things) == {"count": "How many there are."}


def test_a_secret_is_never_shown_in_an_error() -> None:
    secret = described(Toy)["things.token"]
    assert secret.secret
    assert "hush" not in wrong_value(secret, "hush", "command line")


def test_a_long_value_is_shown_in_part() -> None:
    text = shown(described(Toy)["things.maybe"], "x" * 500)
    assert len(text) == 80
    assert text.endswith("...")


@pytest.mark.parametrize(
    ("key", "meant"),
    [("vad.mdoe", "vad.mode"), ("mode", "vad.mode"), ("log.mode", "vad.mode"), ("qqqq", None), ("", None)],
)
def test_the_nearest_key_is_suggested(key: str, meant: str | None) -> None:
    assert nearest(key, ["vad.mode", "audio.rate"]) == meant


def test_the_environment_variable_has_two_underscores() -> None:
    assert described()["audio.block_ms"].environment == "VOICEBRIDGE_AUDIO__BLOCK_MS"
