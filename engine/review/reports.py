"""Every report of a review, by the name of its file."""

from __future__ import annotations

import json
from collections.abc import Mapping

from engine.review.document import gitlab_report, review_json
from engine.review.html import render_html
from engine.review.markdown import render_markdown
from engine.review.model import Review
from engine.review.text import render_text

TEXT_REPORT = "plan.txt"
MARKDOWN_REPORT = "plan.md"
JSON_REPORT = "plan.json"
HTML_REPORT = "plan.html"
GITLAB_REPORT = "plan.gitlab.json"

REPORTS = (TEXT_REPORT, MARKDOWN_REPORT, JSON_REPORT, HTML_REPORT, GITLAB_REPORT)


def reports(review: Review) -> Mapping[str, str]:
    """File name -> text, in the order of REPORTS. The same review gives the same bytes."""
    return {
        TEXT_REPORT: render_text(review),
        MARKDOWN_REPORT: render_markdown(review),
        JSON_REPORT: json.dumps(review_json(review), indent=2) + "\n",
        HTML_REPORT: render_html(review),
        GITLAB_REPORT: json.dumps(gitlab_report(review)) + "\n",
    }
