"""How risky a plan is, and why: a table, no opinion.

| Level | When |
|---|---|
| none | nothing would be touched |
| low | something changes, and no rule has more to say than "low" |
| medium | a finding of severity medium, or a graver one that the spec waives |
| high | a finding of severity high that nobody waived |
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.review.model import Finding, Risk


def risk_of(findings: Sequence[Finding], *, touches: bool) -> tuple[Risk, tuple[str, ...]]:
    """The level and the reasons for it: every rule that has that level, with the number of its findings.

    touches   whether applying would touch a resource or an output
    """
    base = Risk.LOW if touches else Risk.NONE
    level = max([base, *(weight(finding) for finding in findings)], key=lambda risk: risk.rank)
    counted: dict[str, int] = {}
    for finding in findings:
        if weight(finding) is level:
            named = f"{finding.rule} (waived)" if finding.waived else finding.rule
            counted[named] = counted.get(named, 0) + 1
    reasons = [f"{rule} × {count}" if count > 1 else rule for rule, count in counted.items()]
    if not reasons and level is Risk.LOW:
        reasons = ["something changes, and no rule objects"]
    return level, tuple(reasons)


def weight(finding: Finding) -> Risk:
    """How much a finding counts: one that the spec waives is medium at most, since it still wants a look."""
    if finding.waived and finding.severity is Risk.HIGH:
        return Risk.MEDIUM
    return finding.severity
