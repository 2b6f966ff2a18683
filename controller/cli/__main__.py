"""`python -m controller.cli`, where the command itself is not on the path."""

from controller.cli import main

main()
