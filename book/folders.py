"""Where the scripts of the book lie, and the repository around them."""

from pathlib import Path

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
