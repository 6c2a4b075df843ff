"""GitLab: the pipeline of a repository of specs, and the comment on its merge requests."""
