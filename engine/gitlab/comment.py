"""The reviews of a merge request's projects → the text of one comment. Pure."""

from __future__ import annotations

from collections.abc import Mapping

MARK = "<!-- provisioner: reviews -->"
"""First line of the comment, which GitLab does not show: how an earlier pipeline's comment is found again."""

LONGEST = 900_000
"""Characters. GitLab takes a million in a note."""

_NOTHING = "**No project's spec is changed any more**: what an earlier pipeline planned will not be applied."
_CUT = "\n\n_Cut here: the whole review is among the job's artifacts._\n"


def comment(reviews: Mapping[str, str | None], *, pipeline_url: str, longest: int = LONGEST) -> str:
    """One comment with a part for each project.

    reviews   project → the review's Markdown; None where no plan was made
    Each project gets its share of `longest` characters. Without any it says that earlier reviews do not hold.
    """
    if not reviews:
        return f"{MARK}\n{_NOTHING}\n\n[Pipeline]({pipeline_url})\n"
    head = [MARK, "## What this merge request changes", ""]
    share = max(longest // len(reviews) - 200, 200)
    parts = [_part(project, review, share) for project, review in reviews.items()]
    tail = [f"[Pipeline]({pipeline_url}) · applied after the merge, by hand, from the plan of that pipeline."]
    return "\n".join([*head, *parts, *tail]) + "\n"


def _part(project: str, review: str | None, share: int) -> str:
    if review is None:
        return f"### {project}\n\n**No plan was made**: the project's plan job says why.\n"
    text = review if len(review) <= share else _cut(review, share)
    return f"<details open><summary><b>{project}</b></summary>\n\n{text}\n</details>\n"


def _cut(text: str, longest: int) -> str:
    kept = text[:longest]
    kept = kept[: kept.rfind("\n") + 1] or kept
    # A fence that stays open would swallow everything after it.
    open_fence = sum(line.lstrip().startswith("```") for line in kept.splitlines()) % 2
    return kept + ("```\n" if open_fence else "") + "</details>" * _left_open(kept) + _CUT


def _left_open(text: str) -> int:
    return max(text.count("<details") - text.count("</details>"), 0)
