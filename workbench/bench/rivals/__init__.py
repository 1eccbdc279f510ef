"""What the workbench is measured against, written as a user would by hand."""
