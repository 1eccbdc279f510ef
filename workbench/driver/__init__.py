"""Who runs a study: the driver, its workers, and what Optuna keeps of their trials."""
