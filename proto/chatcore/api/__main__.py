"""`python -m chatcore.api > docs/rpc.md`."""

import sys

from chatcore.api import page

if __name__ == "__main__":
    sys.stdout.write(page.text())
