"""The error of the agent tools."""

from __future__ import annotations


class ToolError(Exception):
    """A tool cannot do what it was asked for; the message is for the agent or person, and has no secrets."""


class NotFoundError(ToolError):
    """The server has no such thing (404)."""


class LoginError(ToolError):
    """The server does not accept the login (401)."""
