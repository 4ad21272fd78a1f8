"""Jobs that Sauron brings along: a bundle like any other, in this folder, whose jobs may ask the runner about Sauron itself.

They are listed, switched, triggered and recorded like the jobs of the operator's bundle. What they do to the
store is done by the runner, a bounded piece at a time, each time they ask for it; they hold no credential but
those for mail.
"""
