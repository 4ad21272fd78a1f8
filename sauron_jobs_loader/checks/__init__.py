"""What the author of a bundle should know: remarks that `sauron check`, a sync and `/status` show alike.

A check is a function from a bundle's tree to remarks, in a module for each subject; `all_checks.CHECKS` lists
them. A remark is no fault: the bundle loads, and its jobs run. Nothing of the bundle is executed here.
"""
