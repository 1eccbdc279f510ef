"""Whether a text is read after the token that begins one, and after which."""

from workbench.data.tokenizers import Tokenizer
from workbench.errors import UserError
from workbench.records.run import Phase, RunDirectory


def beginning_token(directory: RunDirectory, tokenizer: Tokenizer, wanted: bool | None) -> int | None:
    """The token to read a text after, None for none; ``UserError`` if one is wanted that is not known."""
    special = tokenizer.special_tokens
    if wanted is None:
        # A study trains on windows as they are, also where it starts from a model that was trained otherwise.
        wanted = special.adds_beginning and directory.read().phase is Phase.IMPORT
    if not wanted:
        return None
    if special.beginning_of_text is None:
        raise UserError(f"bos: run {directory.run_id} has no token that begins a text; use --no-bos")
    return special.beginning_of_text
