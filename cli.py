"""Run from a clone without the console script: ``python cli.py label picture.jpg``."""

import sys

if __name__ == "__main__":
    try:
        from clip_emotion.cli.main import run
    except ModuleNotFoundError as error:
        sys.exit(f"Error: {error.name} is not installed: run 'pip install -c constraints.txt -e .' in this folder.")
    run()
