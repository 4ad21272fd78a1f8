"""Sauron's builtin jobs: a bundle like any other, whose jobs may ask the runner about Sauron itself.

They are listed, enabled, triggered and recorded like the jobs of the operator's bundle. The runner changes
the store on their request, a bounded part at a time. They hold no credentials except those for mail.
"""
