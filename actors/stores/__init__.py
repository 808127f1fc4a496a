"""Where sessions last: one interface, and its engines."""
