"""The doors: the command line and what it shows. It imports the other packages and nothing imports it."""
