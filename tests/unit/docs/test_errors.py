"""Every error code stands on its page, once, and says what it means."""

from __future__ import annotations

from collections import Counter

from docs.generate.errors import coded_errors, error_page


def test_each_code_is_one_class_s_and_says_what_it_means() -> None:
    errors = coded_errors()
    assert not [code for code, times in Counter(one.code for one in errors).items() if times > 1]
    assert not [one.__name__ for one in errors if not one.__doc__]
    assert all(f"| `{one.code}` | {one.exit_code} |" in error_page() for one in errors)


def test_those_of_single_modules_are_there() -> None:
    assert {"STATE_CORRUPT", "CLUSTER_BUSY", "NO_PLAN_STORED", "GITLAB_UNAVAILABLE"} <= {
        one.code for one in coded_errors()
    }
