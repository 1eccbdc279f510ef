"""Numbers that a user writes (``user_numbers``) as types of fields of models."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from workbench.user_numbers import read_number, read_whole

Whole = Annotated[int, BeforeValidator(read_whole), Field(strict=True)]
Number = Annotated[float, BeforeValidator(read_number), Field(allow_inf_nan=False)]
