"""`python -m kres`: the `kres` command, though Python imports the whole package before it reads the words."""

from kres_command import main

if __name__ == "__main__":
    main()
