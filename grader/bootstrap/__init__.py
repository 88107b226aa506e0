"""What runs before the environment exists, on the standard library of a bare Python 3.11 alone.

`bin/grader`, `bin/setup` and `bin/test` start here.  Nothing in this package may import a third-party package.
"""
