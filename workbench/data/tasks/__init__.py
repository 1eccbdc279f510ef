"""Generated tasks with sharp answers: sequences of token ids, some of whose tokens are answers.

``task`` is what they have in common, ``registry`` the list of them, and each has a file of its own with the
paper that defines it. ``data.task_batches`` cuts their sequences, ``training.validation`` scores answers.
"""
