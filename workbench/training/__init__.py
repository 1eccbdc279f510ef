"""Training one decoder: the Lightning module, its optimizer and schedule, and what it records."""
