"""The sentences that whisper-commands knows: household commands, questions and digit strings."""

from collections.abc import Callable
from random import Random

ROOMS = ("living room", "kitchen", "bedroom", "bathroom", "garage", "office", "hallway", "dining room")
DEVICES = ("lights", "lamp", "fan", "heater", "television", "radio", "speaker", "coffee machine")
OPENINGS = ("garage door", "curtains", "blinds", "window", "front gate")
DOORS = ("front door", "back door", "garage door", "cellar door")
GOODS = (
    *("milk", "bread", "eggs", "coffee", "apples", "cheese", "rice", "butter"),
    *("paper towels", "orange juice"),
)
NAMES = ("Anna", "Ben", "Carol", "David", "Emma", "Frank", "Grace", "Henry")
TASKS = (
    *("call the doctor", "water the plants", "take out the trash"),
    *("feed the cat", "pay the rent", "start the laundry"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAYS = ("today", "tomorrow", *(f"on {day}" for day in WEEKDAYS), "this weekend")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
FIXED = (
    *("What time is it?", "Play some music.", "Stop the music.", "Pause the music.", "Turn the volume up."),
    *("Turn the volume down.", "Next song.", "Previous song.", "Good morning.", "Good night.", "Thank you."),
    *("Cancel that.", "Never mind.", "Stop.", "Yes.", "No.", "I am home.", "I am leaving."),
    *("Is anyone at the door?", "Read my messages.", "What is on my calendar?", "Start recording."),
    *("Stop recording.", "Mute the microphone.", "Repeat that please.", "How are you?", "Tell me a joke."),
    *("Who is calling?", "Help."),
)


def sentence(random: Random) -> str:
    """Return one sentence: capital first letter, full stop or question mark at its end."""
    kinds, weights = zip(*_KINDS, strict=True)
    text: str = random.choices(kinds, weights)[0](random)
    if text[-1] not in ".?":
        text += "."
    return text[0].upper() + text[1:]


def number(random: Random, low: int = 1, high: int = 99) -> str:
    """Return a whole number from low to high (0 to 99) in words."""
    value = random.randint(low, high)
    if value < 20:
        return (*DIGITS, *TEENS)[value]
    tens, ones = divmod(value, 10)
    return TENS[tens - 2] + (f" {DIGITS[ones]}" if ones else "")


def _switch(random: Random) -> str:
    return f"turn {random.choice(('on', 'off'))} the {random.choice(ROOMS)} {random.choice(DEVICES)}"


def _temperature(random: Random) -> str:
    return f"set the {random.choice(ROOMS)} temperature to {number(random, 10, 30)} degrees"


def _timer(random: Random) -> str:
    return f"set a timer for {number(random)} {random.choice(('minutes', 'seconds', 'hours'))}"


def _weather(random: Random) -> str:
    return f"what is the weather like {random.choice(DAYS)}?"


def _open(random: Random) -> str:
    return f"{random.choice(('open', 'close'))} the {random.choice(OPENINGS)}"


def _lock(random: Random) -> str:
    return f"{random.choice(('lock', 'unlock'))} the {random.choice(DOORS)}"


def _shopping(random: Random) -> str:
    second = f" and {random.choice(GOODS)}" if random.random() < 0.4 else ""
    return f"add {random.choice(GOODS)}{second} to the shopping list"


def _reminder(random: Random) -> str:
    return f"remind me to {random.choice(TASKS)} {random.choice(DAYS)}"


def _call(random: Random) -> str:
    return f"{random.choice(('call', 'send a message to'))} {random.choice(NAMES)}"


def _dim(random: Random) -> str:
    return f"dim the {random.choice(ROOMS)} lights to {number(random)} percent"


def _digits(random: Random) -> str:
    return " ".join(random.choice(DIGITS) for _ in range(random.randint(1, 7)))


def _wake(random: Random) -> str:
    when = random.choice(("in the morning", "in the evening", "thirty", "fifteen"))
    return f"wake me up at {number(random, 1, 12)} {when}"


def _leave(random: Random) -> str:
    what = random.choice(("everything", "all the lights", "the alarm"))
    return f"turn {random.choice(('on', 'off'))} {what} and {_lock(random)}"


def _fixed(random: Random) -> str:
    return random.choice(FIXED)


_KINDS: tuple[tuple[Callable[[Random], str], float], ...] = (
    (_switch, 0.22),
    (_temperature, 0.06),
    (_timer, 0.08),
    (_weather, 0.05),
    (_open, 0.05),
    (_lock, 0.05),
    (_shopping, 0.06),
    (_reminder, 0.07),
    (_call, 0.05),
    (_dim, 0.04),
    (_digits, 0.13),
    (_wake, 0.04),
    (_leave, 0.03),
    (_fixed, 0.07),
)
"""Each kind of sentence with its share."""
