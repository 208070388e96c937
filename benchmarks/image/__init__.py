"""What `budgetguard.image` is measured on, and beside whom."""
