"""`python -m rheobase.cli`."""

from rheobase.cli import main

main()
