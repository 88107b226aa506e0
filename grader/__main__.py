"""`python -m grader`: the command line."""

from grader.cli.app import main

if __name__ == "__main__":
    main()
