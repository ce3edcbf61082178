"""Makes what the suite needs and keeps, images and wheels: python -m tests.box.prepare, or tests/box/run --prepare."""

from tests.box.image import Image
from tests.box.wheels import PYTHONS, wheels


def main() -> None:
    """Make what is not there yet."""
    for suite in PYTHONS:
        print(f"{suite}: {wheels(suite)}, {Image(suite).make()}", flush=True)


if __name__ == "__main__":
    main()
