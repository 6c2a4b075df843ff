"""Plan review: what a saved plan would do, what follows from it, and what stands against it."""

from engine.review.document import review_json
from engine.review.findings import refuse_cluster_update, refuse_data_loss
from engine.review.markdown import render_markdown
from engine.review.model import Action, Change, Finding, Review, Risk
from engine.review.plan import build_review
from engine.review.text import render_text

__all__ = [
    "Action",
    "Change",
    "Finding",
    "Review",
    "Risk",
    "build_review",
    "refuse_cluster_update",
    "refuse_data_loss",
    "render_markdown",
    "render_text",
    "review_json",
]
