"""The bundle's repository: fetch, check out, describe."""
