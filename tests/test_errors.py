"""The tree of errors: one root, an exit code each, all problems at once."""

import inspect

import pytest

from budgetguard import errors

CLASSES = [
    one
    for _, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, errors.BudgetguardError)
]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_stands_in_the_drawing_with_its_exit_code(error):
    """The tree in the module's docstring names each class with the code it really has."""
    line = next(
        line for line in errors.__doc__.splitlines() if f" {error.__name__} " in f" {line} "
    )
    assert f" {error.exit_code} " in line


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_one_of_ours_and_not_of_pythons_own(error):
    """One `except BudgetguardError` catches them all, and none is caught as a ValueError by chance."""
    assert error.__mro__[-4:] == (errors.BudgetguardError, Exception, BaseException, object)


def test_what_the_user_wrote_ends_in_2_and_what_was_not_measured_in_4():
    """The exit code tells whose turn it is."""
    assert {one.exit_code for one in CLASSES if issubclass(one, errors.UsageError)} == {2}
    assert errors.MeasureError.exit_code == errors.BudgetguardError.exit_code == 4


def test_a_config_error_holds_all_problems():
    """All problems of a file are told together, each on its line and each by itself."""
    error = errors.ConfigError(["a.yml:1 x: wrong", "a.yml:2 y: wrong"])
    assert str(error) == "a.yml:1 x: wrong\na.yml:2 y: wrong"
    assert error.problems == ("a.yml:1 x: wrong", "a.yml:2 y: wrong")
