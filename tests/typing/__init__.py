"""Programs for the type checkers: those that must pass, and one of mistakes (`mistakes.py`)."""
