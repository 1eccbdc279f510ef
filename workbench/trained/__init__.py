"""Runs in use: importing, evaluating, generating, exporting."""
