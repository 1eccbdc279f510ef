"""Names of files made of a user's text: without what separates folders or is a sign to a shell."""

import re
from hashlib import sha256


def file_part(text: str, longest: int) -> str:
    """``text`` as a part of a file's name, at most ``longest`` bytes of it."""
    safe = re.sub(r"[^\w=.,+]+", "-", text).strip("-.")
    return safe.encode("utf-8")[:longest].decode("utf-8", "ignore")


def told_apart(text: str, longest: int) -> str:
    """The same, with a few digits that tell it from others where it had to be changed."""
    safe = file_part(text, longest)
    return safe if safe == text else f"{safe}-{digest_of(text)}"


def digest_of(text: str) -> str:
    """Six hexadecimal digits that tell ``text`` from others."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
