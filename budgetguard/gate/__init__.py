"""The gate: it measures targets, compares with limits and a committed baseline, and reports."""
