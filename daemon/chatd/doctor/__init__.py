"""What is wrong with this node, why, and what to do about it: facts are gathered, then judged.

Each check is a function from facts to a `Verdict` and touches nothing. `examination` gathers for a daemon
that runs, `outside` looks at one that does not.
"""
