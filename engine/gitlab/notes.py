"""The comment on a merge request, posted once and updated in place: GitLab's API, by python-gitlab."""

from __future__ import annotations

from dataclasses import dataclass

import gitlab
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from engine.errors import BackendError, RequestError
from engine.gitlab.comment import MARK

_ANSWERS_WITHIN_S = 30


class GitLabRefused(RequestError):
    """GitLab does not take the comment: its token, project or merge request is wrong."""

    code = "GITLAB_REFUSED"


class GitLabUnavailable(BackendError):
    """GitLab does not answer now."""

    code = "GITLAB_UNAVAILABLE"
    retryable = True


@dataclass(frozen=True)
class MergeRequest:
    """server_url   of GitLab, without /api/v4; token: of a project access token with the scope api"""

    server_url: str
    token: str
    project_id: str
    iid: str


def put_comment(request: MergeRequest, text: str, *, post: bool = True) -> str | None:
    """Put the text where the last pipeline's comment stands, or post it; the note's id, None without one.

    post   False: only write over a comment that stands
    Only a comment that the token's own user wrote is written over.
    Raises   GitLabRefused (token, project or merge request is wrong), GitLabUnavailable
    """
    server = gitlab.Gitlab(
        request.server_url,
        private_token=request.token,
        timeout=_ANSWERS_WITHIN_S,
        session=_patient_session(),
    )
    try:
        server.auth()
        me = server.user.id if server.user else None
        project = server.projects.get(request.project_id, lazy=True)
        notes = project.mergerequests.get(request.iid, lazy=True).notes
        for note in notes.list(iterator=True, order_by="created_at", sort="asc"):
            if note.body.startswith(MARK) and note.author["id"] == me:
                note.body = text
                note.save()
                return str(note.id)
        return str(notes.create({"body": text}).id) if post else None
    except gitlab.GitlabError as error:
        if error.response_code is None or error.response_code >= 500 or error.response_code == 429:
            raise _unavailable(request, str(error.error_message)) from error
        raise GitLabRefused(
            f"GitLab refused the comment on merge request {request.iid}: {error.error_message}.",
            hint="The token must be one of the project with the scope api and the role Developer.",
        ) from error
    except requests.RequestException as error:
        raise _unavailable(request, str(error)) from error


def _patient_session() -> requests.Session:
    """Asks again what may be asked twice: a comment that is posted twice would stand there twice."""
    session = requests.Session()
    retry = Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _unavailable(request: MergeRequest, why: str) -> GitLabUnavailable:
    return GitLabUnavailable(
        f"GitLab at {request.server_url} did not take the comment: {why}.", hint="Run the job again."
    )
