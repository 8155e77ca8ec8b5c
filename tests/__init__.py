"""The tests; a package, so that a folder here may bear the name of the package that it tests."""
