"""``python -m clip_emotion``: the ``clip-emotion`` command."""

if __name__ == "__main__":
    from clip_emotion.cli.main import run

    run()
