"""What counts as a word where documents are compared: letters and digits, or one mark of punctuation."""

import re

WORD = re.compile(r"\w+|[^\w\s]")
