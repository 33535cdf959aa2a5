"""``python -m minbert``: the command line, where the script ``minbert`` is not on the path."""

from minbert.cli.main import run

if __name__ == "__main__":
    run()
