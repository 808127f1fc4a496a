"""What Greenroom costs, measured: run from the repository's root by `python -m bench`.

No part of the package: nothing in the three layers knows of it.
"""
