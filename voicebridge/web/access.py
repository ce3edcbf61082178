"""Who may ask: the address, the names it is called by, and the token. Pure, but for reading the token's file."""

import hmac
from dataclasses import dataclass, field
from pathlib import Path

from voicebridge.domain.errors import SettingsError
from voicebridge.settings.schema import HttpSettings
from voicebridge.web.address import Address, address_of

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
MIN_TOKEN_LENGTH = 16
"""Where other machines can try tokens: 64 bits, if they are hexadecimal digits drawn by chance."""
MAX_TOKEN_BYTES = 4096
"""A token file that is longer is another file."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where it is served, and to whom."""

    address: Address
    hosts: frozenset[str]
    """Names in a Host header that are answered, in lower case and without ports; IPv6 addresses in brackets."""
    token: bytes = field(default=b"", repr=False)
    """Empty: nobody may change anything."""

    def knows(self, token: bytes) -> bool:
        """Say whether this is the token, taking as long whatever it is."""
        return bool(self.token) and hmac.compare_digest(token, self.token)


def access_of(settings: HttpSettings) -> Access:
    """Return who may ask, as the settings say.

    Raises SettingsError for an address that cannot be one, a token file that cannot be read, and for an address that
    others can reach without a token, or with a short one.
    """
    address, token = address_of(settings.bind), _token(settings)
    if not address.local and not token:
        raise SettingsError(
            f"http.bind = {settings.bind!r} can be reached by other machines, and there is no http.token.",
            "Set http.token or http.token_file (`openssl rand -hex 32` makes one), or bind to 127.0.0.1.",
        )
    if not address.local and len(token) < MIN_TOKEN_LENGTH:
        raise SettingsError(
            f"http.bind = {settings.bind!r} can be reached by other machines, and the token has fewer than "
            f"{MIN_TOKEN_LENGTH} characters: it can be guessed.",
            "`openssl rand -hex 32` makes a good one.",
        )
    named = {_bracketed(name.lower()) for name in settings.allowed_hosts.split()}
    own = set() if address.path is not None or address.everywhere else {_bracketed(address.host)}
    return Access(address, LOOPBACK_NAMES | own | named, token)


def _token(settings: HttpSettings) -> bytes:
    given = settings.token.get_secret_value()
    if settings.token_file is None:
        return _checked(given.strip(), "http.token")
    if given:
        raise SettingsError("http.token and http.token_file are both set.", "Leave one of them out.")
    return _checked(_read(settings.token_file.expanduser()), f"http.token_file ({settings.token_file})", needed=True)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_TOKEN_BYTES + 1).decode("utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"http.token_file {path} cannot be read: {error.strerror}.",
            "It must be readable by the user that the daemon runs as.",
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"http.token_file {path} holds no text.", "Write the token alone into it.") from error


def _checked(token: str, origin: str, *, needed: bool = False) -> bytes:
    """Return the token's bytes; it has to fit into a header."""
    if needed and not token:
        raise SettingsError(f"{origin} is empty.", "Write the token into it: `openssl rand -hex 32` makes one.")
    if len(token) > MAX_TOKEN_BYTES or not all("!" <= character <= "~" for character in token):
        raise SettingsError(
            f"{origin} is longer than {MAX_TOKEN_BYTES} characters, or holds others than printable ASCII.",
            "`openssl rand -hex 32` makes a good one.",
        )
    return token.encode("ascii")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
