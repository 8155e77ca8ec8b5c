"""Disks that count, fail, forget or rot: SQLite VFSs that a store is opened on by their name."""
