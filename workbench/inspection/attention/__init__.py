"""What heads read: shapes and kinds of attention, matched heads, and when they form."""
