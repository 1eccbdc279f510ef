"""Where texts come from: local files, the hub, the standard library, generated tasks."""
