"""Staff: who may manage whom, adding colleagues, the second factor, and sessions."""
