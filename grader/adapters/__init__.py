"""The outside world: one tool each, its errors turned into ours here."""
