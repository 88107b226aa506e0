"""What a submission's own files say about how it is built and what it contains.  Pure."""
