"""The command line: read options, wire adapters into a workflow, print, choose the exit code."""
