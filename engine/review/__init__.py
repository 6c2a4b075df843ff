"""Plan review: what a saved plan would do, what follows from it, and what stands against it."""

from engine.review.context import Context
from engine.review.document import gitlab_report, review_json
from engine.review.findings import refuse_broken_rules, refuse_cluster_update, refuse_data_loss
from engine.review.html import render_html
from engine.review.markdown import render_markdown
from engine.review.model import Action, Change, Finding, Review, Risk
from engine.review.plan import build_review
from engine.review.text import render_text

__all__ = [
    "Action",
    "Change",
    "Context",
    "Finding",
    "Review",
    "Risk",
    "build_review",
    "gitlab_report",
    "refuse_broken_rules",
    "refuse_cluster_update",
    "refuse_data_loss",
    "render_html",
    "render_markdown",
    "render_text",
    "review_json",
]
