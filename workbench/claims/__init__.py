"""Claim cards: what the literature says, stated as predictions of studies, and what their runs say of it."""
