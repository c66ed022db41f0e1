"""How much one may say at once. Apart from envelopes, whose cryptography a command line does without."""

MAX_TEXT_BYTES = 16 * 1024
