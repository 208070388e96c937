"""What a red tells a person to change is where the limit is written, and who may loosen it is heard."""

GROUP = """
version: 1
budgets:
  shown:
    test: test_it.py
    limits: [threads <= 0, wall <= 1 us]
    enforce: false
accepted:
  - budget: test_it.py::test_late
    limit: p95 <= 1 s
    reason: moving house
    until: 2999-01-01
"""


def test_each_limit_keeps_its_place_and_whether_it_is_enforced(project):
    """A group that is only shown stays so beside a marker, and a block points at its test."""
    project.put("budgetguard.yml", GROUP)
    project.write(
        test_it="""
        import time, pytest
        from database import ask

        @pytest.mark.budget("queries <= 1")
        def test_marked(db): ask(db, 1); time.sleep(0.001)

        def test_block(db, budget):
            with budget("queries <= 1"):
                ask(db, 2)

        @pytest.mark.budget("p95 <= 1 us")
        def test_late(): time.sleep(0.001)
        """
    )
    result = project.run()
    result.assert_outcomes(passed=2, failed=1)
    assert "change the limit at test_it.py:8" in result.stdout.str()
    assert "accepted until 2999-01-01" in result.stdout.str()
