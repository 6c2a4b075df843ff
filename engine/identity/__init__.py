"""The identity provider, which signs the tokens of the REST API."""
