"""Rehearsed disasters: what is judged after each is what a caller was told, never what the engine remembers."""
