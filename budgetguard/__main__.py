"""`python -m budgetguard` is the command `budgetguard`."""

from budgetguard.cli import main

main()
