"""What is read aloud: short commands and sentences of everyday speech, each with words that engines confuse."""

from pathlib import Path

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.words import normalised

SENTENCES = (
    "Turn on the kitchen lights.",
    "Set a timer for fifteen minutes.",
    "What is the weather like tomorrow morning?",
    "Add milk, bread and a dozen eggs to the shopping list.",
    "Call the workshop and ask whether the car is ready.",
    "The meeting was moved from Tuesday to Thursday at half past nine.",
    "Please write down that the filter has to be changed in March.",
    "She sells fresh fish at the harbour every Saturday.",
    "The heating in the back room does not work again.",
    "Open the garage door and switch off the alarm.",
    "We need thirty metres of cable and four boxes of screws.",
    "Could you read me the last message from my sister?",
    "The train to the airport leaves from platform seven.",
    "It rained so hard that the cellar was under water.",
    "Remind me to water the plants on Friday evening.",
    "The doctor said that the cough would be gone in a week.",
    "Play some quiet music in the living room.",
    "There are three apples and two pears left in the bowl.",
    "Close the window before you leave the house.",
    "He thought about it for a while and then said no.",
    "The red folder is on the third shelf from the top.",
    "Lower the blinds on the west side of the building.",
    "My phone number ends in four eight one five.",
    "The children walked through the woods to the old mill.",
    "Book a table for six people at eight o'clock.",
    "The pump has been making a strange noise since yesterday.",
    "Send the invoice to the office before the end of the month.",
    "How long does it take to drive to the coast?",
    "The new neighbours have a small brown dog.",
    "Stop the timer and start it again.",
    "I would rather have tea than coffee this afternoon.",
    "The temperature in the greenhouse is twenty two degrees.",
    "Someone left a package at the front door.",
    "Make the light in the hall a little warmer.",
    "They finished the bridge two years later than planned.",
    "Is there anything on the calendar for next Wednesday?",
    "The key is under the blue pot beside the stairs.",
    "Every morning he reads the newspaper on the balcony.",
    "Switch the television to the news channel.",
    "Thank you, that was the last sentence.",
)
MAX_SENTENCES = 2000
MAX_CHARACTERS = 300
"""About 20 s of reading."""
MAX_BYTES = 1_000_000


def read_sentences(path: Path) -> list[str]:
    """Return the sentences of a text file, one a line. Raises VoicebridgeError for what cannot be read aloud."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}."
        raise VoicebridgeError(
            message, "Name a text file with a sentence in each line.", exit_code=ExitCode.NO_INPUT
        ) from error
    except UnicodeDecodeError as error:
        raise _unusable(path, "is not text in UTF-8") from error
    sentences = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if not sentences:
        raise _unusable(path, "holds no sentence")
    if len(text) > MAX_BYTES or len(sentences) > MAX_SENTENCES:
        raise _unusable(path, f"holds more than {MAX_SENTENCES} sentences")
    for number, sentence in enumerate(sentences, 1):
        if len(sentence) > MAX_CHARACTERS or not normalised(sentence):
            raise _unusable(path, f"has a sentence that cannot be read aloud in one go: number {number}")
    return list(dict.fromkeys(sentences))


def _unusable(path: Path, what: str) -> VoicebridgeError:
    advice = f"Write a sentence in each line, each of {MAX_CHARACTERS} characters at most."
    return VoicebridgeError(f"{path} {what}.", advice, exit_code=ExitCode.INPUT)
