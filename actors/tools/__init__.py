"""Tools that run here: what they are, where they come from, how calls of them are worked off."""
