"""Lab grader: provision container and WebAssembly lab hosts, measure, and grade what students hand in."""

__version__ = "0.1.0"
