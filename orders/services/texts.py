"""Text of one line, as names and addresses are."""

import re

NOT_ONE_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Unicode's categories Cc, Cs, Zl and Zp: control characters, halves of characters, and what separates lines."""
