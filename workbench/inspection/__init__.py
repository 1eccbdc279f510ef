"""What a trained decoder attends to, and what it does with position: measures, tables, figures."""
