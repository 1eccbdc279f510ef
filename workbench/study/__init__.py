"""A study: the question's file, its variants, the tuning, and the driver that runs it all."""
