"""How bytes get to an upstream and back."""
