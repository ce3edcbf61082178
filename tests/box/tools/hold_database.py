"""Holds a SQLite database locked for writing, as a careless backup does: python3 hold_database.py FILE SECONDS."""

import sqlite3
import sys
import time


def main() -> None:
    database = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))  # the tool's work is to wait
    database.execute("ROLLBACK")


if __name__ == "__main__":
    main()
