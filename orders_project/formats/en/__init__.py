"""English, of whichever country: days are written as ISO 8601 has them, since 03/04/2026 has two meanings."""
