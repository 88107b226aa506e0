"""Claims against facts: verdicts, findings, criteria, score.  Pure."""
