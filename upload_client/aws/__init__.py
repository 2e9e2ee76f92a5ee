"""Everything that speaks to AWS, except the bytes of files."""

import os

# Botocore asks once, when it is first imported, whether to sign through awscrt, and awscrt takes the body
# of a plain-HTTP request in steps of 4 KiB: 2.8 times slower for large ones. Set to "false" it is used.
os.environ.setdefault("BOTO_DISABLE_CRT", "true")
