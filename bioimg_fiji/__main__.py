"""`python -m bioimg_fiji` is `bioimg-fiji`."""

from bioimg_fiji.cli import main

if __name__ == "__main__":
    main()
