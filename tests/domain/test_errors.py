"""Errors say what happened and what to do, and have an exit status."""

import inspect

import pytest

from voicebridge.domain import errors
from voicebridge.domain.errors import (
    ControlError,
    DeviceError,
    ExitCode,
    StoreBusyError,
    StoreError,
    UtteranceGoneError,
    VoicebridgeError,
)

CLASSES = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, VoicebridgeError) and member is not VoicebridgeError
]


def test_an_error_reads_as_message_and_advice() -> None:
    assert str(DeviceError("The microphone is gone.", "Plug it in.")) == "The microphone is gone. Plug it in."
    assert str(DeviceError("The microphone is gone.")) == "The microphone is gone."


@pytest.mark.parametrize("error", CLASSES)
def test_each_part_has_its_own_exit_status(error: type[VoicebridgeError]) -> None:
    assert error("x").code is error.exit_code
    # What is not there any more was merely not found; what a running daemon refuses is a check that failed.
    assert (error.exit_code is ExitCode.FAILURE) == (error in {UtteranceGoneError, ControlError})


def test_one_case_may_have_another_exit_status() -> None:
    assert DeviceError("x", exit_code=ExitCode.NO_INPUT).code is ExitCode.NO_INPUT


def test_a_busy_store_is_a_store_error_worth_trying_again() -> None:
    assert issubclass(StoreBusyError, StoreError)
    assert StoreBusyError("x").code is ExitCode.BUSY
