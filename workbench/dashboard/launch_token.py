"""The token of a launch: drawn, compared, and the cookie that stands for it; ``access`` says what it is for.

Without Streamlit, which takes longer to import than the command has until it prints its address.
"""

import os
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe

VARIABLE = "WORKBENCH_DASHBOARD_TOKEN"
PARAMETER = "token"
_BITS = 192


def new_token() -> str:
    """A token nobody can guess: 32 letters."""
    return token_urlsafe(_BITS // 8)


def expected() -> str:
    """This server's token; empty where it has none, and nobody may write."""
    return os.environ.get(VARIABLE, "")


def is_token(given: str) -> bool:
    """Whether ``given`` is this server's token, compared in constant time."""
    return bool(expected()) and compare_digest(given.encode(), expected().encode())


def cookie_name(port: int | str) -> str:
    """Cookies are a host's, whatever the port: each server has one of its own."""
    return f"workbench-{port}"


def pass_for(token: str) -> str:
    """What the cookie holds: it follows from the token, and the token does not follow from it."""
    return sha256(f"pass of {token}".encode()).hexdigest()


def is_pass(given: str) -> bool:
    """Whether a cookie holds what this server gave."""
    return bool(expected()) and compare_digest(given.encode(), pass_for(expected()).encode())
