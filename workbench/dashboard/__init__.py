"""The pages of the dashboard in ``pages``; beside them what they draw with, and what they share."""
