"""What may be done to training text before it becomes tokens: a file each, listed in ``registry``."""
