"""One file per format that another program reads.  Pure."""
